/** The crypto seam: the only file of the package that names the platform's crypto, apart from `algorithms.ts` and `jwk.ts`. */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hash,
  hkdfSync,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto'

/** SHA-256 of a text (UTF-8) or bytes, 32 bytes. */
export function sha256(data: string | Uint8Array): Buffer {
  return hash('sha256', data, 'buffer')
}

/** SHA-256 as base64url without padding, 43 characters. */
export function sha256Base64url(data: string | Uint8Array): string {
  return hash('sha256', data, 'base64url')
}

/** HMAC-SHA-256 of the parts one after the other, 32 bytes. The caller makes the parts unambiguous by fixed lengths. */
export function hmacSha256(key: KeyObject, ...parts: readonly (string | Uint8Array)[]): Buffer {
  const hmac = createHmac('sha256', key)
  for (const part of parts) hmac.update(part)
  return hmac.digest()
}

/** Compares without telling by its time where the difference is; different lengths are unequal. */
export function equalInConstantTime(left: Uint8Array, right: Uint8Array): boolean {
  return left.byteLength === right.byteLength && timingSafeEqual(left, right)
}

/** A 32-byte key for one purpose, derived from a longer-lived one (RFC 5869). */
export function deriveKey(key: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, new Uint8Array(0), purpose, 32))
}

const nonceBytes = 12
const tagBytes = 16

/**
 * Seals bytes with AES-256-GCM: nonce ‖ ciphertext ‖ tag. `purpose` is authenticated but not stored, so that what was sealed
 * for one use opens for no other.
 *
 * @param nonce 12 bytes, never used twice with one key
 */
export function seal(key: Uint8Array, purpose: string, plaintext: Uint8Array, nonce: Uint8Array): Buffer {
  if (nonce.byteLength !== nonceBytes) throw new RangeError('a nonce is 12 bytes')
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(purpose))
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/** Opens what {@link seal} made; `undefined` when key, purpose or bytes do not fit. */
export function unseal(key: Uint8Array, purpose: string, sealed: Uint8Array): Buffer | undefined {
  if (sealed.byteLength < nonceBytes + tagBytes) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes })
  decipher.setAAD(Buffer.from(purpose))
  decipher.setAuthTag(sealed.subarray(sealed.byteLength - tagBytes))
  try {
    const start = decipher.update(sealed.subarray(nonceBytes, sealed.byteLength - tagBytes))
    return Buffer.concat([start, decipher.final()])
  } catch {
    return undefined
  }
}
