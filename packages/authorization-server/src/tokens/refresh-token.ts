import {
  equalInConstantTime,
  formatOpaqueToken,
  hmacSha256,
  opaqueOriginOf,
  parseOpaqueToken,
  type Secret,
  type SecretEnvironment,
} from '@arctos/core'
import type { KeyRing } from '../keys/key-ring.ts'
import type { RefreshKey } from '../keys/opened-keys.ts'
import type { Presented } from '../store/verbs/refresh.ts'

// kid (4) ‖ grant id (12) ‖ generation (4) ‖ secret (32) ‖ tag (16), PROTOCOL §2.
const idAt = 4
const generationAt = 16
const secretAt = 20
const tagAt = 52
const byteLength = 68

/** Writes the refresh token of one generation. Its tag proves later that we made it, without any look-up. */
export function formatRefreshToken(
  key: RefreshKey,
  { grantId, generation, secret }: Presented,
  environment: SecretEnvironment = 'live',
): Secret {
  const bytes = Buffer.alloc(byteLength)
  key.kid.copy(bytes)
  bytes.write(grantId, idAt, 'base64url')
  bytes.writeUInt32BE(generation, generationAt)
  secret.copy(bytes, secretAt)
  tagOf(key, bytes).copy(bytes, tagAt)
  return formatOpaqueToken('refreshToken', bytes, environment)
}

/** A refresh token that is ours, with the key that made it. */
export interface GenuineRefreshToken extends Presented {
  readonly key: RefreshKey
  /** Where its family was made: its successors say the same. */
  readonly environment: SecretEnvironment
}

/** Reads a refresh token; `undefined` when its checksum or tag is wrong, which takes no SQL to find out (A3). */
export function parseRefreshToken(
  keys: Pick<KeyRing, 'refreshKeyById'>,
  text: string,
): GenuineRefreshToken | undefined {
  const bytes = parseOpaqueToken('refreshToken', text, byteLength)
  const key = bytes && keys.refreshKeyById(bytes.subarray(0, idAt))
  if (bytes === undefined || key === undefined) return undefined
  if (!equalInConstantTime(tagOf(key, bytes), bytes.subarray(tagAt))) return undefined
  return {
    key,
    environment: opaqueOriginOf(text)?.environment ?? 'live',
    grantId: bytes.toString('base64url', idAt, generationAt),
    generation: bytes.readUInt32BE(generationAt),
    secret: bytes.subarray(secretAt, tagAt),
  }
}

/** What a refresh token says to anybody: whether this server made it, only its key can tell. */
export interface UnverifiedRefreshToken {
  /** The key that made it, in hex. */
  readonly keyId: string
  readonly grantId: string
  readonly generation: number
}

/** Reads what is public in a refresh token; `undefined` for any other text. */
export function decodeUnverifiedRefreshToken(text: string): UnverifiedRefreshToken | undefined {
  const bytes = parseOpaqueToken('refreshToken', text, byteLength)
  return (
    bytes && {
      keyId: bytes.toString('hex', 0, idAt),
      grantId: bytes.toString('base64url', idAt, generationAt),
      generation: bytes.readUInt32BE(generationAt),
    }
  )
}

/**
 * The secret of the next generation: from the presented one and a salt that only the database has. Neither of them, nor the key
 * alone, gives it.
 */
export function deriveSuccessor(key: RefreshKey, { grantId, generation, secret }: Presented, salt: Buffer): Buffer {
  const next = Buffer.alloc(4)
  next.writeUInt32BE(generation + 1)
  return hmacSha256(key.derive, 'rt', Buffer.from(grantId, 'base64url'), next, secret, salt)
}

function tagOf(key: RefreshKey, bytes: Buffer): Buffer {
  return hmacSha256(key.tag, bytes.subarray(idAt, tagAt)).subarray(0, 16)
}
