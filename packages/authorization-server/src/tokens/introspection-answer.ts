import {
  encodeHeader,
  introspectionAnswerType,
  sha256Base64url,
  signCompactJws,
  signCompactJwsAsync,
} from '@arctos/core'
import type { ServerContext } from '../context.ts'

/**
 * Signs what the caller is told about a token. There is neither `sub` nor `exp` on top, and `aud` is the caller's client id, never
 * a resource: no guard can take an answer for an access token, not even one that forgets to look at `typ`. `ath` is the hash of
 * the token that was asked about, known or not, so that an answer cannot be shown for another token. RFC 9701 §5
 */
export async function signIntrospectionAnswer(
  { issuer, keys, now }: Pick<ServerContext, 'issuer' | 'keys' | 'now'>,
  callerId: string,
  token: string,
  answer: object,
): Promise<string> {
  const key = keys.signingKey()
  const claims = JSON.stringify({
    iss: issuer,
    aud: callerId,
    iat: Math.floor(now() / 1_000),
    ath: sha256Base64url(token),
    token_introspection: answer,
  })
  const header = encodeHeader(key, introspectionAnswerType)
  const sign = key.key.asymmetricKeyType === 'rsa' ? signCompactJwsAsync : signCompactJws
  return await sign(header, claims, key)
}
