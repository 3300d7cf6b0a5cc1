import { type JsonObject, readString } from '@arctos/core'
import { isTrustworthyUrl } from '../option-check.ts'
import { type Fetch, fetchJson } from '../outbound-fetch.ts'

/** Where the endpoints of one issuer are. */
export interface IssuerMetadata {
  /** The address that the issuer's metadata gives under this name, or why there is none. */
  locate(
    name: 'jwks_uri' | 'introspection_endpoint' | 'token_endpoint' | 'status_list_aggregation_endpoint',
  ): Promise<Located>
  /** Lets the next {@link locate} ask again: what was found there did not answer. */
  doubt(): void
}

export type Located = { readonly url: string } | { readonly problem: string }

const freshForMs = 60 * 60 * 1_000

/**
 * Reads RFC 8414 metadata, or the OpenID document where there is none, once an hour. A document that cannot be read again leaves
 * the one before in force: the addresses in it hardly ever change.
 */
export function createIssuerMetadata(issuer: string, fetch: Fetch, elapsed: () => number): IssuerMetadata {
  let document: JsonObject | undefined
  let freshUntil = Number.NEGATIVE_INFINITY
  let reading: Promise<string | undefined> | undefined

  const read = async (): Promise<string | undefined> => {
    const answer = await readDocument(issuer, fetch)
    if ('problem' in answer) return answer.problem
    document = answer.document
    freshUntil = elapsed() + freshForMs
    return undefined
  }

  return {
    async locate(name) {
      let problem: string | undefined
      if (document === undefined || elapsed() >= freshUntil) {
        reading ??= read().finally(() => {
          reading = undefined
        })
        problem = await reading
      }
      if (document === undefined) return { problem: `metadata: ${problem}` }
      const url = readString(document, name)
      if (url === undefined) return { problem: `metadata: no ${name}` }
      return isTrustworthyUrl(url) ? { url } : { problem: `metadata: ${name} is neither https nor of this machine` }
    },
    doubt() {
      freshUntil = Number.NEGATIVE_INFINITY
    },
  }
}

type Document = { readonly document: JsonObject } | { readonly problem: string }

async function readDocument(issuer: string, fetch: Fetch): Promise<Document> {
  let problem = ''
  for (const url of wellKnownUrls(issuer)) {
    const answer = await fetchJson(fetch, url, { headers: { accept: 'application/json' } })
    if (!answer.ok) return { problem: answer.problem }
    const { status, object } = answer
    if (status === 200 && object !== undefined) {
      // A document that speaks for another issuer may have been put there by it (RFC 8414 §3.3).
      return readString(object, 'issuer') === issuer ? { document: object } : { problem: 'another issuer' }
    }
    problem = status === 200 ? 'no JSON object' : `HTTP ${status}`
  }
  return { problem }
}

/** RFC 8414 §3.1 puts the well-known part before the issuer's path, OpenID Connect Discovery §4 after it. */
function wellKnownUrls(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ]
}
