import { createRecentCache, type JsonObject, Refusal, readNumber, type Secret, sha256Base64url } from '@arctos/core'
import type { IntrospectionConfiguration } from './configuration.ts'
import type { IssuerMetadata } from './issuer-metadata.ts'
import type { GuardMetrics } from './metrics.ts'
import { type Fetch, type Fetched, fetchJson } from './outbound-fetch.ts'

/** Asks an authorization server about tokens (RFC 7662). */
export interface Introspection {
  /** What the issuer says of an active token; `undefined` for any other. Throws `introspection.unavailable`. */
  ask(token: string, options?: AskOptions): Promise<JsonObject | undefined>
}

export interface AskOptions {
  /** Asks the issuer now: neither an answer that is remembered counts, nor one to a question asked before this one. */
  readonly fresh?: boolean | undefined
}

export interface IntrospectionPorts {
  readonly metrics: Pick<GuardMetrics, 'introspected'>
  readonly metadata: IssuerMetadata
  readonly fetch: Fetch
  /** Epoch milliseconds. */
  readonly now: () => number
}

interface Remembered {
  readonly claims: JsonObject
  /** Epoch milliseconds. */
  readonly until: number
}

const rememberedLimit = 1_000
const pendingLimit = 1_000

/**
 * Requests for one token are one request. Tokens are kept by their hash only, positive answers at most for the configured time
 * and never beyond `exp` (RFC 7662 §4(h)), negative ones not at all. Only the boolean `true` means active.
 */
export function createIntrospection(options: IntrospectionConfiguration, ports: IntrospectionPorts): Introspection {
  const remembered = createRecentCache<string, Remembered>(rememberedLimit)
  const pending = new Map<string, Promise<JsonObject | undefined>>()

  const request = async (token: string, hash: string): Promise<JsonObject | undefined> => {
    const claims = await ports.metrics.introspected(() => introspect(token, options, ports))
    if (claims !== undefined && options.maxAgeSeconds > 0) {
      const end = readNumber(claims, 'exp') ?? Number.POSITIVE_INFINITY
      remembered.set(hash, { claims, until: Math.min(ports.now() + options.maxAgeSeconds * 1_000, end * 1_000) })
    }
    return claims
  }

  return {
    async ask(token, { fresh = false } = {}) {
      const hash = sha256Base64url(token)
      const known = fresh ? undefined : remembered.get(hash)
      if (known !== undefined && ports.now() < known.until) return known.claims
      if (fresh) return request(token, hash)
      const asked = pending.get(hash)
      if (asked !== undefined) return asked
      if (pending.size >= pendingLimit) throw unavailable(options, 'too many requests wait for answers')
      const asking = request(token, hash).finally(() => pending.delete(hash))
      pending.set(hash, asking)
      return asking
    },
  }
}

async function introspect(
  token: string,
  options: IntrospectionConfiguration,
  { metadata, fetch }: IntrospectionPorts,
): Promise<JsonObject | undefined> {
  const located =
    options.endpoint === undefined ? await metadata.locate('introspection_endpoint') : { url: options.endpoint }
  if ('problem' in located) throw unavailable(options, located.problem)
  const answer = await fetchJson(fetch, located.url, {
    method: 'POST',
    headers: {
      accept: 'application/json',
      authorization: basicCredential(options.clientId, options.clientSecret),
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
  })
  const problem = problemOf(answer)
  if (problem !== undefined) {
    metadata.doubt()
    throw unavailable(options, problem)
  }
  const claims = answer.ok ? answer.object : undefined
  return claims?.['active'] === true ? claims : undefined
}

/** A bad answer is a broken connection to the issuer, 401 is a wrong credential of ours: neither says a word about the token. */
function problemOf(answer: Fetched): string | undefined {
  if (!answer.ok) return answer.problem
  if (answer.status !== 200) return `HTTP ${answer.status}`
  return answer.object === undefined || answer.object['active'] === undefined ? 'no introspection answer' : undefined
}

/** RFC 6749 §2.3.1: id and secret are form-encoded before they are joined. */
function basicCredential(clientId: string, clientSecret: Secret): string {
  return `Basic ${Buffer.from(`${formEncode(clientId)}:${formEncode(clientSecret.reveal())}`).toString('base64')}`
}

function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}

function unavailable(options: IntrospectionConfiguration, received: string): Refusal {
  return new Refusal('introspection.unavailable', {
    check: 'introspection',
    expected: `an answer of ${options.issuer}`,
    received,
    retryAfterSeconds: 1,
  })
}
