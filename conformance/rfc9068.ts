// RFC 9068: JSON Web Token Profile for OAuth 2.0 Access Tokens.
import { createSecretKey, generateKeyPairSync, randomUUID } from 'node:crypto'
import {
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  type JWTPayload,
  jwtVerify,
  SignJWT,
  UnsecuredJWT,
} from 'jose'
import { expect, type TestContext } from 'vitest'
import { parameterOf, readChallenges } from './driver/challenge.ts'
import { clientToken, confidential, publicClient, signAssertion } from './driver/client.ts'
import { userTokens, userVariables } from './driver/flow.ts'
import { type JsonObject, jsonOf, send } from './driver/http.ts'
import { endpointOf, oauthMetadataUrl, openidMetadataUrl } from './driver/issuer.ts'
import { scenario } from './driver/scenario.ts'

const client = ['CLIENT_ID', 'CLIENT_SECRET', 'AUDIENCE'] as const
const guarded = [...client, 'API_URL', 'SCOPE'] as const

/** Header and claims, as they are. Tokens of other forms are not what this RFC is about. */
function decode(token: string, context: TestContext): { readonly header: JsonObject; readonly claims: JWTPayload } {
  if (token.split('.').length !== 3) context.skip('access tokens are not JWTs')
  return { header: decodeProtectedHeader(token) as JsonObject, claims: decodeJwt(token) }
}

scenario('says by typ that it is an access token [RFC 9068 §2.1(a)(f)]', client, async (env, context) => {
  const { header } = decode((await clientToken(env.ISSUER, confidential(env))).accessToken, context)
  expect(String(header['typ']).toLowerCase()).toMatch(/^(application\/)?at\+jwt$/)
})

scenario('is signed with a public key of the issuer [RFC 9068 §2.1(b)(c)(g)]', client, async (env, context) => {
  const { accessToken } = await clientToken(env.ISSUER, confidential(env))
  const { header } = decode(accessToken, context)
  expect(header['alg']).toMatch(/^(RS|PS|ES)(256|384|512)$|^EdDSA$|^Ed25519$/)
  const keys = createRemoteJWKSet(new URL(await endpointOf(env.ISSUER, 'jwks_uri')))
  await jwtVerify(accessToken, keys, { issuer: env.ISSUER, audience: env.AUDIENCE, typ: 'at+jwt' })
})

scenario('has every claim that it has to have [RFC 9068 §2.2(a)(b)(c)(d)(e)(f)(g)]', client, async (env, context) => {
  const { claims } = decode((await clientToken(env.ISSUER, confidential(env))).accessToken, context)
  expect(claims.iss).toBe(env.ISSUER)
  expect(claims['client_id']).toBe(env.CLIENT_ID)
  for (const name of ['sub', 'jti'] as const) expect(claims[name]).toMatch(/\S/)
  for (const name of ['exp', 'iat'] as const) expect(Number.isInteger(claims[name])).toBe(true)
})

scenario('is for the default API where the request names none [RFC 9068 §3(a)]', client, async (env, context) => {
  const { claims } = decode((await clientToken(env.ISSUER, confidential(env))).accessToken, context)
  expect([claims.aud].flat()).toEqual([env.AUDIENCE])
})

scenario('lives as long as the answer says, from now on [RFC 6750 §5.2(d)]', client, async (env, context) => {
  const { accessToken, expiresIn } = await clientToken(env.ISSUER, confidential(env))
  const { iat = 0, exp = 0 } = decode(accessToken, context).claims
  expect(Math.abs(iat - Date.now() / 1_000)).toBeLessThan(60)
  expect(exp).toBeGreaterThan(iat)
  if (expiresIn !== undefined) expect(Math.abs(exp - iat - expiresIn)).toBeLessThanOrEqual(2)
})

scenario('has the scope that the answer says [RFC 9068 §2.2.3(b)]', [...client, 'SCOPE'], async (env, context) => {
  const { accessToken } = await clientToken(env.ISSUER, confidential(env), { scope: env.SCOPE })
  expect(decode(accessToken, context).claims['scope']).toBe(env.SCOPE)
})

scenario('has an id that no other one has [RFC 9068 §2.2(g)]', client, async (env, context) => {
  const tokens = await Promise.all(Array.from({ length: 20 }, () => clientToken(env.ISSUER, confidential(env))))
  const ids = tokens.map(({ accessToken }) => decode(accessToken, context).claims.jti)
  expect(new Set(ids).size).toBe(20)
})

scenario(
  'has the user as subject, who is never the client [RFC 9068 §2.2(d)(h), RFC 9700 §4.15]',
  ['PUBLIC_CLIENT_ID', ...userVariables],
  async (env, context) => {
    const { accessToken } = await userTokens(env, publicClient(env.PUBLIC_CLIENT_ID))
    const { claims } = decode(accessToken, context)
    expect(claims.sub).toMatch(/\S/)
    expect(claims.sub).not.toBe(env.PUBLIC_CLIENT_ID)
    expect(claims['client_id']).toBe(env.PUBLIC_CLIENT_ID)
  },
)

scenario(
  'has the same subject for the same user each time [RFC 9068 §2.2(d)]',
  ['PUBLIC_CLIENT_ID', ...userVariables],
  async (env, context) => {
    const app = publicClient(env.PUBLIC_CLIENT_ID)
    const subjects = [await userTokens(env, app), await userTokens(env, app)].map(
      ({ accessToken }) => decode(accessToken, context).claims.sub,
    )
    expect(subjects[0]).toBe(subjects[1])
  },
)

scenario(
  'says the same in both metadata documents, where there are two [RFC 9068 §4(j)(l)]',
  [],
  async (env, context) => {
    const [oauth, openid] = await Promise.all([send(oauthMetadataUrl(env.ISSUER)), send(openidMetadataUrl(env.ISSUER))])
    if (oauth.status !== 200 || openid.status !== 200) context.skip('there is one document')
    for (const name of ['issuer', 'jwks_uri', 'token_endpoint', 'authorization_endpoint']) {
      expect(jsonOf(openid)[name], name).toBe(jsonOf(oauth)[name])
    }
  },
)

/** Tokens that look right and are not: each from a good one, by somebody without the issuer's key. */
type Forgery = (token: string, jwksUri: string) => Promise<string>

const ownKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' })

async function keysOf(jwksUri: string): Promise<readonly JsonObject[]> {
  return jsonOf(await send(jwksUri))['keys'] as JsonObject[]
}

function payloadOf(token: string): string {
  return token.split('.')[1] ?? ''
}

function headerSegment(header: JsonObject): string {
  return Buffer.from(JSON.stringify(header)).toString('base64url')
}

const forgeries: readonly (readonly [title: string, forge: Forgery])[] = [
  [
    'signed with another key under the same kid [RFC 9068 §4(d)(f)]',
    async (token) => {
      const { kid = '' } = decodeProtectedHeader(token)
      return new SignJWT(decodeJwt(token))
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
        .sign(ownKeys.privateKey)
    },
  ],
  [
    'that brings its own key along [RFC 9068 §4(f)]',
    async (token) => {
      const jwk = await exportJWK(ownKeys.publicKey)
      return new SignJWT(decodeJwt(token))
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', jwk })
        .sign(ownKeys.privateKey)
    },
  ],
  [
    'without signature [RFC 9068 §4(e)]',
    async (token) => `${headerSegment({ alg: 'none', typ: 'at+jwt' })}.${payloadOf(token)}.`,
  ],
  [
    'whose algorithm is none, in other letters [RFC 9068 §4(e)]',
    async (token) => `${headerSegment({ alg: 'nOnE', typ: 'at+jwt' })}.${payloadOf(token)}.`,
  ],
  ['unsecured as a library makes it [RFC 9068 §4(e)]', async (token) => new UnsecuredJWT(decodeJwt(token)).encode()],
  [
    'signed by HMAC with the public key as secret [RFC 9068 §4(d)]',
    async (token, jwksUri) => {
      const { kid = '' } = decodeProtectedHeader(token)
      const secret = createSecretKey(
        Buffer.from(JSON.stringify((await keysOf(jwksUri)).find((key) => key['kid'] === kid))),
      )
      return new SignJWT(decodeJwt(token)).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid }).sign(secret)
    },
  ],
  [
    'with a signature of zeros [RFC 9068 §4(d)]',
    async (token) => {
      const [header = '', payload = '', signature = ''] = token.split('.')
      return `${header}.${payload}.${Buffer.alloc(Buffer.from(signature, 'base64url').byteLength).toString('base64url')}`
    },
  ],
  [
    'with more rights under the old signature [RFC 9068 §4(d)]',
    async (token) => {
      const [header, , signature] = token.split('.')
      const claims = { ...decodeJwt(token), scope: 'read write admin', jti: randomUUID() }
      return `${header}.${headerSegment(claims)}.${signature}`
    },
  ],
]
for (const [title, forge] of forgeries) {
  // The clause ends the title, as everywhere.
  scenario(`lets no token in ${title}`, guarded, async (env, context) => {
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), { scope: env.SCOPE })
    decode(accessToken, context)
    const forged = await forge(accessToken, await endpointOf(env.ISSUER, 'jwks_uri'))
    const answer = await send(env.API_URL, { headers: { authorization: `Bearer ${forged}` } })
    expect(answer.status, answer.text).toBe(401)
    const [challenge] = readChallenges(answer.headers.get('www-authenticate'))
    expect(parameterOf(challenge, 'error')).toBe('invalid_token')
  })
}

scenario(
  'lets no other kind of JWT in [RFC 9068 §4(a)(h)(i)]',
  ['API_URL', 'PKJWT_CLIENT_ID', 'PKJWT_PRIVATE_JWK', 'AUDIENCE'],
  async (env) => {
    const assertion = await signAssertion(env.PKJWT_CLIENT_ID, env.PKJWT_PRIVATE_JWK, env.AUDIENCE)
    const answer = await send(env.API_URL, { headers: { authorization: `Bearer ${assertion}` } })
    expect(answer.status, answer.text).toBe(401)
  },
)
