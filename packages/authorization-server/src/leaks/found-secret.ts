import { type OpaqueKind, opaqueOriginOf, parseOpaqueToken, secretPatterns, sha256Base64url } from '@arctos/core'
import type { ReadingKeys } from '../keys/key-ring.ts'
import { opaqueAccessKey } from '../store/opaque-access.ts'
import type { LeakQuestion } from '../store/verbs/leak-search.ts'
import type { LeakTarget } from '../store/verbs/leaks.ts'
import { readOwnJwt } from '../tokens/own-jwt.ts'
import { parseRefreshToken } from '../tokens/refresh-token.ts'

/** What reads secrets: the keys that made some of them. */
export interface SecretReading {
  readonly issuer: string
  readonly keys: ReadingKeys
  /** Epoch seconds. */
  readonly now: number
}

/** What a found text is, as far as that can be said without the store. */
export type FoundSecret =
  /** It says itself what ends with it. */
  | { readonly found: 'target'; readonly secret: string; readonly target: LeakTarget }
  /** The store knows, if anybody does. */
  | {
      readonly found: 'question'
      readonly secret: string
      readonly question: LeakQuestion | { readonly kind: 'clientSecret'; readonly key: string }
    }
  /** It is none of ours, or dead by itself: nothing ends. */
  | {
      readonly found: 'nothing'
      readonly secret: string | undefined
      readonly why: 'unrecognised' | 'checksum' | 'unknown' | 'expired'
    }

const ids = new Map(secretPatterns.map(({ kind, id }) => [kind, id]))

/**
 * Reads a text that somebody found. Only what holds its checksum, tag or signature goes further, so that made-up texts and typing
 * errors cost no look-up.
 */
export function readFoundSecret(text: string, reading: SecretReading): FoundSecret {
  const kind = opaqueOriginOf(text)?.kind
  if (kind !== undefined) return readOpaque(kind, text, reading)
  if (text.split('.').length !== 3) return { found: 'nothing', secret: undefined, why: 'unrecognised' }
  return readJwt(text, reading)
}

function readJwt(text: string, reading: SecretReading): FoundSecret {
  const [secret, access] = ['arctos_jwt', readOwnJwt(reading, text)]
  if (access === undefined) return { found: 'nothing', secret: undefined, why: 'unrecognised' }
  const { jti, expiresAt, clientId, audience, grantId } = access
  // Who finds an old one in an old log must not end what goes on.
  if (expiresAt <= reading.now) return { found: 'nothing', secret, why: 'expired' }
  const target: LeakTarget =
    grantId === undefined ? { ends: 'token', jti, expiresAt, clientId, audience } : { ends: 'grant', grantId }
  return { found: 'target', secret, target }
}

function readOpaque(kind: OpaqueKind, text: string, { keys, now }: SecretReading): FoundSecret {
  const secret = ids.get(kind) ?? kind
  const bytes = parseOpaqueToken(kind, text)
  if (bytes === undefined) return { found: 'nothing', secret, why: 'checksum' }
  const ask = (of: LeakQuestion['kind'] | 'clientSecret', key: string): FoundSecret => ({
    found: 'question',
    secret,
    question: { kind: of, key },
  })
  switch (kind) {
    case 'accessToken': {
      // It begins with its expiry.
      if (bytes.readUInt32BE() <= now) return { found: 'nothing', secret, why: 'expired' }
      return ask('accessToken', opaqueAccessKey(text) ?? '')
    }
    case 'refreshToken': {
      // Of any generation: who has an old one may have had it when it was young.
      const grantId = parseRefreshToken(keys, text)?.grantId
      if (grantId === undefined) return { found: 'nothing', secret, why: 'unknown' }
      return { found: 'target', secret, target: { ends: 'grant', grantId } }
    }
    case 'sharedSecret': {
      const keyId = keys.sharedSecretOfBytes(bytes)?.kid
      if (keyId === undefined) return { found: 'nothing', secret, why: 'unknown' }
      return { found: 'target', secret, target: { ends: 'shared_secret', keyId } }
    }
    case 'apiKey':
    case 'personalAccessToken':
      return ask('apiKey', sha256Base64url(text))
    case 'authorizationCode':
    case 'deviceCode':
    case 'session':
    case 'clientSecret':
      return ask(kind, sha256Base64url(text))
  }
}
