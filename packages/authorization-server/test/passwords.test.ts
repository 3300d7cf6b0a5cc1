import { argon2Sync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { hashPassword, passwordProblem, verifyPassword } from '../src/passwords.ts'

describe('a password hash', () => {
  it('is argon2id with 19 MiB, two passes and one lane, in PHC form', async () => {
    expect(await hashPassword('a good long password')).toMatch(
      /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/,
    )
  })

  it('has a salt of its own each time', async () => {
    expect(await hashPassword('same')).not.toBe(await hashPassword('same'))
  })

  it('is what argon2id gives for the salt that it names', async () => {
    const salt = Buffer.alloc(16, 3)
    const hash = argon2Sync('argon2id', {
      message: 'bear',
      nonce: salt,
      parallelism: 1,
      tagLength: 32,
      memory: 19_456,
      passes: 2,
    })
    const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '')
    expect(await hashPassword('bear', () => salt)).toBe(
      `$argon2id$v=19$m=19456,t=2,p=1$${unpadded(salt)}$${unpadded(hash)}`,
    )
  })

  it('verifies with the cost that it names, so that old ones stay good', async () => {
    const salt = Buffer.alloc(16, 3)
    const hash = argon2Sync('argon2id', {
      message: 'bear',
      nonce: salt,
      parallelism: 2,
      tagLength: 32,
      memory: 64,
      passes: 1,
    })
    const phc = `$argon2id$v=19$m=64,t=1,p=2$${salt.toString('base64').slice(0, 22)}$${hash.toString('base64').slice(0, 43)}`
    expect([await verifyPassword('bear', phc), await verifyPassword('bean', phc)]).toEqual([true, false])
  })

  it('is not made of more than 1,024 bytes, and none of so many is right', async () => {
    await expect(hashPassword('a'.repeat(1_025))).rejects.toThrow(RangeError)
    const phc = await hashPassword('a'.repeat(1_024))
    expect([await verifyPassword('a'.repeat(1_024), phc), await verifyPassword('a'.repeat(1_025), phc)]).toEqual([
      true,
      false,
    ])
  })

  it.each([
    '',
    'plain',
    '$2b$10$abcdefghijklmnopqrstuv',
    '$argon2i$v=19$m=64,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA',
  ])('that is none is a fault of ours, not a wrong password: %j', async (phc) => {
    await expect(verifyPassword('x', phc)).rejects.toThrow(TypeError)
  })
})

describe('a password without a hash', () => {
  it.each(['', 'anything'])('is never right: %j', async (text) => {
    expect(await verifyPassword(text, undefined)).toBe(false)
  })

  it('costs as much as one with a hash [RFC 6749 §10.10(c)]', async () => {
    const phc = await hashPassword('bear')
    const cpuOf = async (hash: string | undefined): Promise<number> => {
      const start = process.cpuUsage()
      for (let count = 0; count < 5; count++) await verifyPassword('wrong', hash)
      const { user, system } = process.cpuUsage(start)
      return user + system
    }
    await cpuOf(phc)
    const ratio = (await cpuOf(undefined)) / (await cpuOf(phc))
    expect(ratio).toBeGreaterThan(0.5)
  })
})

describe('many passwords at once', () => {
  it('are hashed in turn, and those beyond the queue are turned away', async () => {
    const phc = '$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA'
    const outcomes = await Promise.allSettled(Array.from({ length: 110 }, () => verifyPassword('x', phc)))
    const refused = outcomes.filter((each) => each.status === 'rejected')
    expect(refused.map((each) => (each.reason as { reason: string }).reason)).toEqual(Array(8).fill('request.limited'))
  })
})

describe('a new password', () => {
  it.each(['four bears in a row', '\u718a\u718a\u718a\u718a and more bears'])('may be %j', (text) => {
    expect(passwordProblem(text, 'alice')).toBeUndefined()
  })

  it.each(['', 'short', 'eleven char', 'aaaaaaaaaaaaaaaa', 'AliceInWonderland'])('may not be %j', (text) => {
    expect(passwordProblem(text, 'aliceinwonderland')).toBeDefined()
  })
})
