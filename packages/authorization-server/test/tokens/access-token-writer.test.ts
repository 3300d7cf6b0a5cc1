import type { SigningKey } from '@arctos/core'
import { describe, expect, it } from 'vitest'
import { generateSigningKey, importSigningKey, type SigningAlgorithm } from '../../src/keys/signing-key.ts'
import type { IssuedAccess } from '../../src/store/verbs/access.ts'
import { createAccessTokenWriter } from '../../src/tokens/access-token.ts'

const issuer = 'https://issuer.example'

/** What the writer is given of a key ring beside the signing key, where no resource has a secret. */
const noSecrets = { sharedSecretOf: () => undefined, maintain: async () => undefined }

const access = {
  form: { format: 'jwt', typ: 'at+jwt' },
  subject: 'service',
  audience: ['https://notes.example'],
  clientId: 'service',
  scopes: ['read'],
  jti: 'a',
  issuedAt: 1,
  expiresAt: 2,
} as unknown as IssuedAccess

function newKey(algorithm: SigningAlgorithm): SigningKey {
  const { publicJwk, pkcs8 } = generateSigningKey(algorithm)
  return importSigningKey(issuer, publicJwk, pkcs8, { createdAt: 0, activeAt: 0, retiredAt: undefined }).signing
}

/** Signs so many tokens at one time, and counts how often the event loop came round before the last was done. */
async function turnsWhileSigning(key: SigningKey, count: number): Promise<number> {
  const write = createAccessTokenWriter(issuer, { ...noSecrets, signingKey: () => key })
  let turns = 0
  let next: NodeJS.Immediate | undefined
  const turn = (): void => {
    turns++
    next = setImmediate(turn)
  }
  next = setImmediate(turn)
  await Promise.all(Array.from({ length: count }, () => write(access)))
  clearImmediate(next)
  return turns
}

describe('signing', () => {
  it.each(['RS256', 'PS256'] as const)('by %s leaves the event loop free', async (algorithm) => {
    expect(await turnsWhileSigning(newKey(algorithm), 20)).toBeGreaterThan(0)
  })

  it.each(['ES256', 'EdDSA'] as const)('one token by %s is done in the turn that asks', async (algorithm) => {
    expect(await turnsWhileSigning(newKey(algorithm), 1)).toBe(0)
  })

  it.each(['ES256', 'EdDSA'] as const)('many tokens by %s yields between', async (algorithm) => {
    expect(await turnsWhileSigning(newKey(algorithm), 2_000)).toBeGreaterThan(1)
  })

  it('takes the key of the moment, and a failure is that of one token', async () => {
    const key = newKey('RS256')
    const answers = [
      () => key,
      () => {
        throw new Error('no key')
      },
      () => key,
    ]
    const write = createAccessTokenWriter(issuer, { ...noSecrets, signingKey: () => answers.shift()?.() ?? key })
    const ends = await Promise.allSettled([write(access), write(access), write(access)])
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })
})
