// RFC 7523: JWT Profile for OAuth 2.0 Client Authentication.
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { exportJWK } from 'jose'
import { expect } from 'vitest'
import { type ClaimChanges, privateKeyJwt, requestToken, signAssertion } from './driver/client.ts'
import { expectError } from './driver/expectations.ts'
import { altered } from './driver/flow.ts'
import { scenario } from './driver/scenario.ts'

const keyed = ['PKJWT_CLIENT_ID', 'PKJWT_PRIVATE_JWK'] as const
const forItself = { grant_type: 'client_credentials' }

scenario('gives a token for an assertion that the client signed [RFC 7523 §2.2, RFC 7523 §3]', keyed, async (env) => {
  const answer = await requestToken(
    env.ISSUER,
    privateKeyJwt(env.PKJWT_CLIENT_ID, env.PKJWT_PRIVATE_JWK, env.ISSUER),
    forItself,
  )
  expect(answer.status, answer.text).toBe(200)
})

const wrongClaims: readonly (readonly [what: string, changes: () => ClaimChanges])[] = [
  ['without iss', () => ({ iss: undefined })],
  ['of another iss', () => ({ iss: 'somebody-else' })],
  ['without sub', () => ({ sub: undefined })],
  ['of another sub', () => ({ sub: 'somebody-else' })],
  ['without aud', () => ({ aud: undefined })],
  ['for another server', () => ({ aud: 'https://other.example' })],
  ['without exp', () => ({ exp: undefined })],
  [
    'that expired an hour ago',
    () => ({ iat: Math.floor(Date.now() / 1_000) - 3_660, exp: Math.floor(Date.now() / 1_000) - 3_600 }),
  ],
  ['that is not good before an hour from now', () => ({ nbf: Math.floor(Date.now() / 1_000) + 3_600 })],
]
for (const [what, changes] of wrongClaims) {
  scenario(`refuses an assertion ${what} [RFC 7523 §3]`, keyed, async (env) => {
    const client = privateKeyJwt(env.PKJWT_CLIENT_ID, env.PKJWT_PRIVATE_JWK, env.ISSUER, changes())
    expectError(await requestToken(env.ISSUER, client, forItself), 'invalid_client', 'invalid_request')
  })
}

scenario('refuses an assertion that somebody else signed [RFC 7523 §3]', keyed, async (env) => {
  const { kid, alg = 'ES256' } = JSON.parse(env.PKJWT_PRIVATE_JWK)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const foreign = JSON.stringify({ ...(await exportJWK(privateKey)), alg: alg.startsWith('ES') ? alg : 'ES256', kid })
  const client = privateKeyJwt(env.PKJWT_CLIENT_ID, foreign, env.ISSUER)
  expectError(await requestToken(env.ISSUER, client, forItself), 'invalid_client')
})

scenario('refuses an altered assertion [RFC 7523 §3]', keyed, async (env) => {
  const client = privateKeyJwt(env.PKJWT_CLIENT_ID, env.PKJWT_PRIVATE_JWK, env.ISSUER)
  const { form = {} } = await client.credentials()
  const client_assertion = altered(form['client_assertion'] ?? '')
  expectError(await requestToken(env.ISSUER, client, { ...forItself, client_assertion }), 'invalid_client')
})

for (const type of [undefined, 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer']) {
  scenario(`refuses an assertion of type ${type} [RFC 7523 §2.2, RFC 7521 §4.2]`, keyed, async (env) => {
    const client_assertion = await signAssertion(env.PKJWT_CLIENT_ID, env.PKJWT_PRIVATE_JWK, env.ISSUER, {
      jti: randomUUID(),
    })
    const client = { id: env.PKJWT_CLIENT_ID, credentials: () => ({ form: { client_id: env.PKJWT_CLIENT_ID } }) }
    const form =
      type === undefined
        ? { ...forItself, client_assertion }
        : { ...forItself, client_assertion, client_assertion_type: type }
    expectError(await requestToken(env.ISSUER, client, form), 'invalid_client', 'invalid_request')
  })
}
