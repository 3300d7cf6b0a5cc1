import { createPublicKey, type JsonWebKeyInput } from 'node:crypto'
import { createVerifier } from 'fast-jwt'
import { verifierScenario } from '../support/verifier.ts'

export const scenario = verifierScenario('fast-jwt', async ({ env }) => {
  const { keys } = (await (await fetch(`${env.ISSUER}/jwks`)).json()) as {
    keys: (JsonWebKeyInput['key'] & { kid: string })[]
  }
  const pem = (kid: string) => {
    const key = keys.find((each) => each.kid === kid)
    return key === undefined ? '' : createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
  }
  return (token, audience) => {
    const key = async ({ header }: { header: Record<string, unknown> }) => String(pem(String(header['kid'])))
    const verify = createVerifier({ key, allowedIss: env.ISSUER, allowedAud: audience, checkTyp: 'at+jwt' })
    return verify(token)
  }
})
