import { formatOpaqueToken, parseOpaqueToken, type Secret, sha256Base64url } from '@arctos/core'
import type { Transaction } from './transaction.ts'

// expiry (4, epoch seconds) ‖ random (32)
const byteLength = 36
const expiryLength = 4

/** Makes an opaque access token, with the key of its row. It begins with its expiry, which its client is told anyway. */
export function mintOpaqueAccess(
  { random, environment }: Pick<Transaction, 'random' | 'environment'>,
  expiresAt: number,
): { readonly token: Secret; readonly key: string } {
  const bytes = Buffer.allocUnsafe(byteLength)
  bytes.writeUInt32BE(expiresAt)
  random(byteLength - expiryLength).copy(bytes, expiryLength)
  const token = formatOpaqueToken('accessToken', bytes, environment)
  return { token, key: keyOf(bytes, token.reveal()) }
}

/**
 * The key of an opaque access token's row: its expiry, then its SHA-256; `undefined` for any other text. With the expiry in front,
 * new rows go to the end of the tree. With the hash alone each would change a page of its own, and those pages were most of what a
 * durable insert cost.
 */
export function opaqueAccessKey(text: string): string | undefined {
  const bytes = parseOpaqueToken('accessToken', text, byteLength)
  return bytes && keyOf(bytes, text)
}

/** When an opaque access token ends, as it says itself (epoch seconds); `undefined` for any other text. */
export function opaqueAccessExpiry(text: string): number | undefined {
  return parseOpaqueToken('accessToken', text, byteLength)?.readUInt32BE()
}

function keyOf(bytes: Buffer, text: string): string {
  return bytes.toString('hex', 0, expiryLength) + sha256Base64url(text)
}
