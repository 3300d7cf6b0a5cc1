import jwt, { type JwtPayload } from 'jsonwebtoken'
import { JwksClient } from 'jwks-rsa'
import { verifierScenario } from '../support/verifier.ts'

/** With `jwks-rsa`, which despite its name knows other keys. */
export const scenario = verifierScenario('jsonwebtoken', async ({ env }) => {
  const client = new JwksClient({ jwksUri: `${env.ISSUER}/jwks` })
  return async (token, audience) => {
    const { kid } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())
    const key = (await client.getSigningKey(kid)).getPublicKey()
    return jwt.verify(token, key, { issuer: env.ISSUER, audience, algorithms: ['ES256', 'RS256'] }) as JwtPayload
  }
})
