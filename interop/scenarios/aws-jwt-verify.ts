import { JwtVerifier } from 'aws-jwt-verify'
import { verifierScenario } from '../support/verifier.ts'

export const scenario = verifierScenario('aws-jwt-verify', async ({ env }) => {
  const jwksUri = `${env.ISSUER}/jwks`
  // It fetches over https alone, so it is given the keys.
  const keys = await (await fetch(jwksUri)).json()
  return async (token, audience) => {
    const verifier = JwtVerifier.create({ issuer: env.ISSUER, audience, jwksUri })
    verifier.cacheJwks(keys as Parameters<typeof verifier.cacheJwks>[0])
    return (await verifier.verify(token)) as Readonly<Record<string, unknown>>
  }
})
