import { randomBytes } from 'node:crypto'
import { formatOpaqueToken, sha256Base64url } from '@arctos/core'
import { describe, expect, it } from 'vitest'
import { mintOpaqueAccess, opaqueAccessKey } from '../../src/store/opaque-access.ts'

const expiresAt = 1_795_000_000
const mint = (at = expiresAt) => mintOpaqueAccess({ random: randomBytes, environment: 'live' }, at)

describe('the key of an opaque access token', () => {
  it('is computed from the token alone', () => {
    const { token, key } = mint()
    expect(opaqueAccessKey(token.reveal())).toBe(key)
  })

  it('is the expiry in hex and the whole hash, so that it is no use to who reads it', () => {
    const { token, key } = mint()
    expect(key).toBe(expiresAt.toString(16) + sha256Base64url(token.reveal()))
  })

  it('keeps rows in the order of their expiry', () => {
    const keys = [0, 1, 600, 86_400].map((later) => mint(expiresAt + later).key)
    expect(keys.toSorted()).toEqual(keys)
  })

  it.each([
    ['a refresh token', formatOpaqueToken('refreshToken', randomBytes(36)).reveal()],
    ['a shorter one', formatOpaqueToken('accessToken', randomBytes(32)).reveal()],
    ['one with a changed checksum', mint().token.reveal().replace(/.{6}$/, '000000')],
    ['nothing', ''],
  ])('does not exist for %s', (_, text) => {
    expect(opaqueAccessKey(text)).toBeUndefined()
  })
})
