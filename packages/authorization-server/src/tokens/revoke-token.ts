import {
  decodeUnverifiedJws,
  type OpaqueKind,
  opaqueOriginOf,
  parseClaims,
  Refusal,
  readString,
  sha256Base64url,
} from '@arctos/core'
import type { KeyEncryptionKey } from '../keys/key-encryption.ts'
import { readKeys } from '../keys/key-ring.ts'
import { opaqueAccessKey } from '../store/opaque-access.ts'
import type { Store } from '../store/store.ts'
import type { GrantRevocation } from '../store/verbs/revocation.ts'
import { readOwnJwt } from './own-jwt.ts'
import { parseRefreshToken } from './refresh-token.ts'

export interface TokenRevocation extends Pick<GrantRevocation, 'actor' | 'initiator'> {
  readonly store: Store
  /** Asked for only where a token has to be proven: a JWT, or a refresh token. */
  readonly kek: () => KeyEncryptionKey
  readonly reason?: 'revoked' | 'leaked' | 'withdrawn' | undefined
  /** Epoch seconds. */
  readonly now: number
}

/** What a token was and what ended with it. */
export type TokenRevocationOutcome =
  | { readonly outcome: 'revoked'; readonly ended: 'token'; readonly jti?: string; readonly expiresAt?: number }
  /** A refresh token stands for its family, the secret of an API key for the key. */
  | { readonly outcome: 'revoked'; readonly ended: 'grant' | 'api_key'; readonly id: string }
  | { readonly outcome: 'nothing_to_revoke' | 'expired' | 'unrecognised' }

/**
 * Takes back a token of any kind by the word of an operator, whoever's it is: an access token alone, a refresh token of any
 * generation with its family, the secret of an API key with the key.
 */
export async function revokeToken(text: string, revocation: TokenRevocation): Promise<TokenRevocationOutcome> {
  const { store, reason, actor, initiator } = revocation
  const by = { actor, initiator, reason }
  const kind = opaqueOriginOf(text)?.kind
  if (kind === undefined) return await revokeOwnJwt(text, revocation)
  if (kind === 'accessToken') {
    const { outcome } = await store.revokeOpaque({ key: opaqueAccessKey(text) ?? '', by })
    return outcome === 'revoked' ? { outcome, ended: 'token' } : { outcome }
  }
  const found = await findGrant(kind, text, revocation)
  if (found === undefined) return { outcome: 'unrecognised' }
  const { outcome } = await store.revokeGrant({ grantId: found.id, ...by })
  return outcome === 'revoked' ? { outcome, ...found } : { outcome: 'nothing_to_revoke' }
}

async function findGrant(
  kind: OpaqueKind,
  text: string,
  { store, kek }: TokenRevocation,
): Promise<{ readonly ended: 'grant' | 'api_key'; readonly id: string } | undefined> {
  if (kind === 'refreshToken') {
    // The issuer is in no refresh token.
    const token = parseRefreshToken(await readKeys({ store, kek: kek(), issuer: '' }), text)
    return token && { ended: 'grant', id: token.grantId }
  }
  if (kind !== 'apiKey' && kind !== 'personalAccessToken') return undefined
  const key = await store.findApiKey(sha256Base64url(text))
  return key && { ended: 'api_key', id: key.keyId }
}

async function revokeOwnJwt(text: string, revocation: TokenRevocation): Promise<TokenRevocationOutcome> {
  const { store, kek, now, reason, actor, initiator } = revocation
  // What it says of its issuer is believed once a key of this store has signed it.
  const issuer = issuerOf(text)
  if (issuer === undefined) return { outcome: 'unrecognised' }
  const access = readOwnJwt({ issuer, keys: await readKeys({ store, kek: kek(), issuer }) }, text)
  if (access === undefined) return { outcome: 'unrecognised' }
  if (access.expiresAt <= now) return { outcome: 'expired' }
  const { jti, expiresAt, clientId, audience } = access
  const { outcome } = await store.revokeJwt({ jti, expiresAt, clientId, audience, by: { actor, initiator, reason } })
  return outcome === 'revoked' ? { outcome, ended: 'token', jti, expiresAt } : { outcome }
}

function issuerOf(text: string): string | undefined {
  try {
    return readString(parseClaims(decodeUnverifiedJws(text).payload), 'iss')
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}
