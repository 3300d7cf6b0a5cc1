import { createSecretKey, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { KeyRing } from '../../src/keys/key-ring.ts'
import type { RefreshKey } from '../../src/keys/opened-keys.ts'
import { deriveSuccessor, formatRefreshToken, parseRefreshToken } from '../../src/tokens/refresh-token.ts'

function makeKey(kid: Buffer = randomBytes(4)): RefreshKey {
  return { kid, derive: createSecretKey(randomBytes(32)), tag: createSecretKey(randomBytes(32)) }
}

/** The part of a key ring that reading a refresh token takes: there is no store in it. */
function ringOf(...keys: readonly RefreshKey[]): KeyRing {
  const refreshKeyById = (kid: Buffer) => keys.find((key) => key.kid.equals(kid))
  return { refreshKeyById } as KeyRing
}

const key = makeKey()
const presented = { grantId: 'AAECAwQFBgcICQoL', generation: 7, secret: Buffer.alloc(32, 9) }
const token = formatRefreshToken(key, presented).reveal()

describe('a refresh token', () => {
  it('brings back what it was made of, at every generation that it can count', () => {
    for (const generation of [0, 1, 0xffff, 0xffffffff]) {
      const text = formatRefreshToken(key, { ...presented, generation }).reveal()
      expect(parseRefreshToken(ringOf(key), text)).toEqual({ environment: 'live', ...presented, generation, key })
    }
  })

  it('cannot be printed', () => {
    expect(`${formatRefreshToken(key, presented)}`).toBe('[redacted]')
  })

  it('is found out without a store, and without a row of it, in any one character [PROTOCOL §2 A3, RFC 6749 §10.4(e)]', () => {
    for (let at = 0; at < token.length; at++) {
      const other = token[at] === 'A' ? 'B' : 'A'
      const altered = token.slice(0, at) + other + token.slice(at + 1)
      expect([at, parseRefreshToken(ringOf(key), altered)]).toEqual([at, undefined])
    }
  })

  it('is found out when its checksum is right and its tag is not [PROTOCOL §2 A3]', () => {
    const thief = makeKey(key.kid)
    expect(parseRefreshToken(ringOf(key), formatRefreshToken(thief, presented).reveal())).toBeUndefined()
  })

  it('is nothing to those who do not have its key', () => {
    expect(parseRefreshToken(ringOf(), token)).toBeUndefined()
    expect(parseRefreshToken(ringOf(makeKey()), token)).toBeUndefined()
    expect(parseRefreshToken(ringOf(makeKey(), key, makeKey()), token)?.key).toBe(key)
  })

  it.each(['', 'arctos_rt_', 'x', token.slice(0, -1), `${token}A`, ` ${token}`, token.toLowerCase()])(
    'is not %j',
    (text) => {
      expect(parseRefreshToken(ringOf(key), text)).toBeUndefined()
    },
  )
})

describe('the successor', () => {
  const salt = Buffer.alloc(16, 4)
  const successor = deriveSuccessor(key, presented, salt)

  it('is the same each time: a retry gets it again [PROTOCOL §2 A15]', () => {
    expect(deriveSuccessor(key, presented, salt)).toEqual(successor)
    expect(successor).toHaveLength(32)
  })

  it.each([
    [
      'another key, so the database and the old token do not give it',
      () => deriveSuccessor(makeKey(), presented, salt),
    ],
    [
      'another salt, so the keys and the old token do not give it',
      () => deriveSuccessor(key, presented, randomBytes(16)),
    ],
    [
      'another secret, so keys and database do not give it',
      () => deriveSuccessor(key, { ...presented, secret: randomBytes(32) }, salt),
    ],
    ['another generation', () => deriveSuccessor(key, { ...presented, generation: 8 }, salt)],
    ['another grant', () => deriveSuccessor(key, { ...presented, grantId: 'BBECAwQFBgcICQoL' }, salt)],
  ])('is another one with %s', (_, derive) => {
    expect(derive()).not.toEqual(successor)
  })
})
