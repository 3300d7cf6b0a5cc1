import { parseJsonObject, readNumber, readString, type Secret } from '@arctos/core'
import type { ServerCredential } from '../credential.ts'
import type { IssuerMetadata } from '../keys/issuer-metadata.ts'
import { type Fetch, fetchBytes } from '../outbound-fetch.ts'
import { retryAfterMs } from './backoff.ts'
import type { Trouble } from './trouble.ts'

/** The access token of this resource server for the feed. */
export interface FeedToken {
  /** One that is good for a while yet; obtained where there is none. */
  get(): Promise<{ readonly token: string } | Trouble>
  /** Forgets the one that was refused. */
  drop(): void
}

export interface FeedTokenOptions {
  /** Who issues the token. */
  readonly issuer: string
  readonly credential: ServerCredential | undefined
  readonly accessToken: Secret | undefined
  readonly metadata: IssuerMetadata
  readonly fetch: Fetch
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Milliseconds of a clock that never steps. */
  readonly elapsed: () => number
}

/** Both are needed to make a stream and read it, as the CAEP Interoperability Profile names them. */
const scope = 'ssf.manage ssf.read'
const usualLifeSeconds = 300

/** Obtains tokens by client credentials for the feed alone, and a new one when a third of its life is left. RFC 6749 §4.4.2 */
export function createFeedToken(options: FeedTokenOptions): FeedToken {
  const { issuer, credential, accessToken, metadata, now, elapsed } = options
  let held: { readonly token: string; readonly renewAt: number } | undefined

  const obtain = async (proof: ServerCredential): Promise<{ readonly token: string } | Trouble> => {
    const located = await metadata.locate('token_endpoint')
    if ('problem' in located) return located
    const askedAt = elapsed()
    const { headers, parameters } = proof(issuer, Math.floor(now() / 1_000))
    const form = { grant_type: 'client_credentials', scope, resource: `${issuer}/ssf`, ...parameters }
    const answer = await fetchBytes(options.fetch, located.url, {
      method: 'POST',
      headers: { ...headers, accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
    })
    if (!answer.ok) {
      metadata.doubt()
      return { problem: `token: ${answer.problem}` }
    }
    const object = parseJsonObject(answer.bytes)
    const token = object && readString(object, 'access_token')
    if (answer.status !== 200 || object === undefined || token === undefined) {
      const code = (object && readString(object, 'error')) ?? ''
      const problem = `token: HTTP ${answer.status} ${code.slice(0, 40)}`.trimEnd()
      return { problem, retryAfterMs: retryAfterMs(answer.headers) }
    }
    const life = readNumber(object, 'expires_in') ?? usualLifeSeconds
    held = { token, renewAt: askedAt + (life * 1_000 * 2) / 3 }
    return { token }
  }

  return {
    async get() {
      if (accessToken !== undefined) return { token: accessToken.reveal() }
      if (held !== undefined && elapsed() < held.renewAt) return held
      return credential === undefined ? { problem: 'token: no credential' } : obtain(credential)
    },
    drop() {
      held = undefined
    },
  }
}
