// RFC 9701: JSON Web Token (JWT) Response for OAuth Token Introspection.
import { createRemoteJWKSet, decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose'
import { expect, type TestContext } from 'vitest'
import { type Client, clientToken, confidential, publicClient, resourceServer, secretBasic } from './driver/client.ts'
import { expectError } from './driver/expectations.ts'
import { type Answer, send } from './driver/http.ts'
import { described, findInspectable, inspectionVariables, introspect } from './driver/introspection.ts'
import { endpointOf, listOf } from './driver/issuer.ts'
import { scenario } from './driver/scenario.ts'

const mediaType = 'application/token-introspection+jwt'
const accept = { accept: mediaType }
const api = ['RS_CLIENT_ID', 'RS_CLIENT_SECRET'] as const

/** A signed answer; an issuer that goes on in JSON does not offer them. */
async function askSigned(issuer: string, context: TestContext, caller: Client, token: string): Promise<Answer> {
  const answer = await introspect(issuer, context, caller, { token }, accept)
  expect(answer.status, answer.text).toBe(200)
  const type = answer.headers.get('content-type')?.toLowerCase() ?? ''
  return type.startsWith(mediaType) ? answer : context.skip('introspection answers are not signed')
}

/** Its claims, once signature, issuer and kind are right. */
async function claimsOf(issuer: string, { text }: Answer): Promise<JWTPayload> {
  const keys = createRemoteJWKSet(new URL(await endpointOf(issuer, 'jwks_uri')))
  return (await jwtVerify(text, keys, { issuer, typ: 'token-introspection+jwt' })).payload
}

scenario(
  'signs what it says of a token, for the one who asked, now [RFC 9701 §4(a), RFC 9701 §5(a)(b)(c)(d)(k)]',
  inspectionVariables,
  async (env, context) => {
    const { caller, form } = await findInspectable(env, context)
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), form)
    const { AUDIENCE, AUDIENCE2 }: Partial<Record<string, string>> = env
    const claims = await claimsOf(env.ISSUER, await askSigned(env.ISSUER, context, caller, accessToken))
    const names = [caller.id, caller.id === env.RS_CLIENT_ID ? AUDIENCE : AUDIENCE2]
    expect([claims.aud].flat().some((name) => names.includes(name))).toBe(true)
    expect(Math.abs((claims.iat ?? 0) - Date.now() / 1_000)).toBeLessThan(60)
  },
)

scenario(
  'puts the plain answer into a member of its own, and nothing of it beside it [RFC 9701 §5(e)]',
  inspectionVariables,
  async (env, context) => {
    const { caller, form } = await findInspectable(env, context)
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), form)
    const plain = await described(env.ISSUER, context, caller, accessToken)
    const claims = await claimsOf(env.ISSUER, await askSigned(env.ISSUER, context, caller, accessToken))
    expect(claims['token_introspection']).toEqual(plain)
    for (const name of ['active', 'scope', 'client_id']) expect(claims[name]).toBeUndefined()
  },
)

scenario(
  'says of a token that it does not know that it is inactive, and nothing more [RFC 9701 §5(f)]',
  api,
  async (env, context) => {
    for (const token of ['never-issued', 'a.b.c', 'x'.repeat(10_000)]) {
      const answer = await askSigned(env.ISSUER, context, resourceServer(env), token)
      expect((await claimsOf(env.ISSUER, answer))['token_introspection']).toEqual({ active: false })
    }
  },
)

scenario(
  'signs with an algorithm that its metadata names, if it names any [RFC 9701 §7]',
  api,
  async (env, context) => {
    const { text } = await askSigned(env.ISSUER, context, resourceServer(env), 'never-issued')
    const algorithms = await listOf(env.ISSUER, 'introspection_signing_alg_values_supported')
    if (algorithms !== undefined) expect(algorithms).toContain(decodeProtectedHeader(text).alg)
  },
)

scenario(
  'answers 400 to callers that do not authenticate, and signs nothing for those that fail to [RFC 9701 §5(m)]',
  inspectionVariables,
  async (env, context) => {
    const { caller, form } = await findInspectable(env, context)
    const { accessToken: token } = await clientToken(env.ISSUER, confidential(env), form)
    await askSigned(env.ISSUER, context, caller, token)
    const anonymous: Client = { id: '', credentials: () => ({}) }
    for (const stranger of [anonymous, publicClient(caller.id)]) {
      const answer = await introspect(env.ISSUER, context, stranger, { token }, accept)
      expect(answer.status, answer.text).toBe(400)
      expectError(answer)
    }
    const impostor = await introspect(env.ISSUER, context, secretBasic(caller.id, 'a wrong secret'), { token }, accept)
    expect([400, 401], impostor.text).toContain(impostor.status)
    expectError(impostor)
  },
)

scenario(
  'gives answers that are no access tokens: the API refuses them [RFC 9701 §8.1(a)(b)]',
  [...inspectionVariables, 'API_URL'],
  async (env, context) => {
    const { caller, form } = await findInspectable(env, context)
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), form)
    const { text } = await askSigned(env.ISSUER, context, caller, accessToken)
    const { status } = await send(env.API_URL, { headers: { authorization: `Bearer ${text}` } })
    expect(status).toBe(401)
    expect(await described(env.ISSUER, context, caller, text)).toEqual({ active: false })
  },
)
