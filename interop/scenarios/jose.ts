import { createRemoteJWKSet, jwtVerify } from 'jose'
import { verifierScenario } from '../support/verifier.ts'

export const scenario = verifierScenario('jose', async ({ env }) => {
  const keys = createRemoteJWKSet(new URL(`${env.ISSUER}/jwks`))
  return async (token, audience) => {
    const { payload } = await jwtVerify(token, keys, { issuer: env.ISSUER, audience, typ: 'at+jwt' })
    return payload
  }
})
