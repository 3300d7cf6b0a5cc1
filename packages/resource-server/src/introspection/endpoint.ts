import {
  decodeUnverifiedIntrospectionAnswer,
  type IntrospectionQuestion,
  introspectionAnswerType,
  type JsonObject,
  parseJsonObject,
  type VerificationKey,
  verifyIntrospectionAnswer,
} from '@arctos/core'
import type { TrustedIssuer } from '../keys/trusted-issuers.ts'
import { type Fetch, type FetchedBytes, fetchBytes } from '../outbound-fetch.ts'
import type { Told } from './memory.ts'
import type { IntrospectionConfiguration } from './options.ts'

export interface IntrospectionEndpointOptions extends IntrospectionConfiguration {
  /** The identifier of the resource: an answer may be addressed to it, or to the client id. */
  readonly resource: string
  readonly clockToleranceSeconds: number
}

export interface IntrospectionEndpointPorts {
  readonly issuer: TrustedIssuer
  readonly fetch: Fetch
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** An answer about the token, or why there is none. */
export type Asked =
  | Told
  | {
      readonly problem: string
      /** Whether the endpoint is there, and it was this question that it did not like. */
      readonly isAboutQuestion: boolean
    }

/** What an endpoint says of one question rather than of itself: whoever shows such tokens must not stop all other questions. */
const aboutQuestion = [400, 413, 414, 422, 431]
const signedType = `application/${introspectionAnswerType}`

/**
 * Puts one question to the introspection endpoint. Rejects with `introspection.unavailable` or `keys.unavailable` where a signed
 * answer cannot be verified.
 *
 * @param hash SHA-256 of the token, base64url
 */
export async function askEndpoint(
  token: string,
  hash: string,
  options: IntrospectionEndpointOptions,
  ports: IntrospectionEndpointPorts,
): Promise<Asked> {
  const { metadata } = ports.issuer
  const located =
    options.endpoint === undefined ? await metadata.locate('introspection_endpoint') : { url: options.endpoint }
  if ('problem' in located) return outage(located.problem)
  const askedAt = Math.floor(ports.now() / 1_000)
  const { headers, parameters } = options.credential(options.issuer, askedAt)
  const answer = await fetchBytes(ports.fetch, located.url, {
    method: 'POST',
    headers: {
      ...headers,
      accept: options.signed ? signedType : 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({ token, token_type_hint: 'access_token', ...parameters }).toString(),
  })
  const asked = await readAnswer(answer, hash, askedAt, options, ports)
  if ('problem' in asked && !asked.isAboutQuestion) metadata.doubt()
  return asked
}

/** A bad answer is a broken connection to the issuer, 401 is a wrong credential of ours: neither says a word about the token. */
async function readAnswer(
  answer: FetchedBytes,
  tokenHash: string,
  askedAt: number,
  options: IntrospectionEndpointOptions,
  ports: IntrospectionEndpointPorts,
): Promise<Asked> {
  if (!answer.ok) return outage(answer.problem)
  const { status, headers, bytes } = answer
  if (status === 401) return outage('HTTP 401: the credential of this resource server is wrong there')
  if (status !== 200) return { problem: `HTTP ${status}`, isAboutQuestion: aboutQuestion.includes(status) }
  if (!options.signed) return readTold(parseJsonObject(bytes), undefined)
  const type = headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  // A plain answer could be anybody's: taking it would make signatures a matter of the sender's choice (RFC 9701 §8.2).
  if (type !== signedType) return outage('an answer that is not signed')
  const { issuer, resource, clientId, clockToleranceSeconds } = options
  const question = { issuer, audiences: [clientId, resource], tokenHash, askedAt, clockToleranceSeconds }
  return readSigned(Buffer.from(bytes).toString('latin1'), question, ports)
}

async function readSigned(
  text: string,
  question: IntrospectionQuestion,
  ports: IntrospectionEndpointPorts,
): Promise<Asked> {
  const unverified = decodeUnverifiedIntrospectionAnswer(text)
  const { kid } = unverified
  const key = await publishedKey(ports.issuer, kid)
  if (key === undefined) return outage(`signed by ${kid.slice(0, 80)}, which is no key of the issuer`)
  return readTold(verifyIntrospectionAnswer(unverified, key, question, Math.floor(ports.now() / 1_000)), kid)
}

/** A key that the issuer publishes. The secret that a resource may share with it signs tokens, and nothing else. */
async function publishedKey(issuer: TrustedIssuer, kid: string): Promise<VerificationKey | undefined> {
  const held = issuer.held(kid)
  return held === undefined || 'secret' in held ? await issuer.find(kid) : held
}

/** Only the boolean `true` means active, only `false` that it is not; anything else says nothing. RFC 7662 §2.2 */
function readTold(answer: JsonObject | undefined, signedBy: string | undefined): Asked {
  const active = answer?.['active']
  if (typeof active !== 'boolean') return outage('no introspection answer')
  return { claims: active ? answer : undefined, signedBy }
}

function outage(problem: string): Asked {
  return { problem, isAboutQuestion: false }
}
