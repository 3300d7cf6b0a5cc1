import type { KeyObject } from 'node:crypto'
import { encodeBase64url, hmacSha256 } from '@arctos/core'

// RFC 8628 §6.1: no vowels, so that no words come out, and no letters that look alike. 20^10 is more than 2^43.
const letters = 'BCDFGHJKLMNPQRSTVWXZ'
const length = 10
const userCode = new RegExp(`^[${letters}]{${length}}$`)
/** The greatest multiple of 20 that a byte can be below: what is above would favour the first letters. */
const fairBytes = 240

/** Draws a user code. RFC 8628 §6.1 */
export function drawUserCode(random: (byteLength: number) => Buffer): string {
  let code = ''
  while (code.length < length) {
    const [byte = fairBytes] = random(1)
    if (byte < fairBytes) code += letters.charAt(byte % letters.length)
  }
  return code
}

/** The code as people read it: `WDJBM-JHTPX`. */
export function formatUserCode(code: string): string {
  return `${code.slice(0, length / 2)}-${code.slice(length / 2)}`
}

/** The code that somebody typed, in whatever case and with whatever between; `undefined` for what is none. RFC 8628 §6.1 */
export function parseUserCode(typed: string): string | undefined {
  const plain = typed
    .slice(0, 100)
    .normalize('NFKC')
    .replace(/[\s\p{Pd}._]/gu, '')
    .toUpperCase()
  return userCode.test(plain) ? plain : undefined
}

/**
 * What the store knows a user code by. With a key that is not in the database: 43 bits could be found again from a plain hash.
 */
export function hashUserCode(key: KeyObject, code: string): string {
  return encodeBase64url(hmacSha256(key, 'user code\n', code))
}
