import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose'
import { expect, type TestContext } from 'vitest'
import { clientToken, resourceServer } from './client.ts'
import type { Environment } from './environment.ts'
import { type Answer, type JsonObject, jsonOf, send } from './http.ts'

export const feedVariables = ['RS_CLIENT_ID', 'RS_CLIENT_SECRET'] as const

export const verification = 'https://schemas.openid.net/secevent/ssf/event-type/verification'
export const deliveryMethods = { push: 'urn:ietf:rfc:8935', poll: 'urn:ietf:rfc:8936' } as const

/** A transmitter of security events, and how its receiver calls it. SSF §7 */
export interface Feed {
  readonly transmitter: JsonObject
  /** Sends JSON with the receiver's token; `token` replaces or, as an empty text, leaves it out. */
  readonly call: (method: string, url: string, body?: unknown, token?: string) => Promise<Answer>
  /** The address of an endpoint that the transmitter has to have. */
  readonly at: (name: string) => string
}

/** The metadata, inserted between host and path. SSF §7.2 */
export function transmitterUrl(issuer: string): string {
  const { origin, pathname } = new URL(issuer)
  return `${origin}/.well-known/ssf-configuration${pathname === '/' ? '' : pathname.replace(/\/$/, '')}`
}

/** The feed of the issuer; an issuer without one has nothing to be tried. */
export async function requireFeed(
  env: Environment<(typeof feedVariables)[number]>,
  context: TestContext,
): Promise<Feed> {
  const answer = await send(transmitterUrl(env.ISSUER))
  if (answer.status !== 200) return context.skip('the issuer transmits no security events')
  const transmitter = jsonOf(answer)
  // As the CAEP interoperability profile has it: scopes of the feed begin with ssf, and no resource has to be known.
  const form = { scope: 'ssf.read ssf.manage' }
  const { accessToken } = await clientToken(env.ISSUER, resourceServer(env), form)
  return {
    transmitter,
    at: (name) => {
      const url = transmitter[name]
      if (typeof url !== 'string') throw new Error(`the transmitter has no ${name}`)
      return url
    },
    call: (method, url, body, token = accessToken) =>
      send(url, {
        method,
        headers: {
          ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
  }
}

/** Makes a stream for one scenario, and has it deleted behind it. */
export async function makeStream(feed: Feed, context: TestContext, body: object = {}): Promise<JsonObject> {
  const made = await feed.call('POST', feed.at('configuration_endpoint'), body)
  expect(made.status, made.text).toBe(201)
  const stream = jsonOf(made)
  context.onTestFinished(async () => {
    await feed.call('DELETE', `${feed.at('configuration_endpoint')}?stream_id=${stream['stream_id']}`)
  })
  return stream
}

/** The claims of a security event token, once signature, issuer, audience and kind are right. RFC 8417 §2.2, RFC 8417 §2.3 */
export async function claimsOf(feed: Feed, stream: JsonObject, set: string): Promise<JWTPayload> {
  const keys = createRemoteJWKSet(new URL(feed.at('jwks_uri')))
  const audience = [stream['aud']].flat().map(String)
  const expected = { issuer: String(stream['iss']), audience, typ: 'secevent+jwt', algorithms: ['RS256'] }
  const { payload } = await jwtVerify(set, keys, expected)
  for (const name of ['sub', 'exp']) expect(payload[name], name).toBeUndefined()
  expect(Object.keys(payload['events'] as object)).toHaveLength(1)
  return payload
}

/** Polls until the verification event of this state is there. */
export async function pollVerification(
  feed: Feed,
  stream: JsonObject,
  state: string,
): Promise<{ readonly jti: string; readonly set: string }> {
  const { endpoint_url: url } = stream['delivery'] as { readonly endpoint_url: string }
  for (let attempt = 0; attempt < 10; attempt++) {
    const sets = (jsonOf(await feed.call('POST', url, {}))['sets'] ?? {}) as Readonly<Record<string, string>>
    for (const [jti, set] of Object.entries(sets)) {
      const { events } = (await claimsOf(feed, stream, set)) as {
        readonly events: Readonly<Record<string, JsonObject>>
      }
      if (events[verification]?.['state'] === state) return { jti, set }
    }
    await feed.call('POST', url, { ack: Object.keys(sets), maxEvents: 0, returnImmediately: true })
  }
  throw new Error('no verification event came')
}
