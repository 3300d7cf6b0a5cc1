import { isCanonicalBase64url } from './base64url.ts'
import { sha256Base64url } from './crypto.ts'

const verifier = /^[A-Za-z0-9._~-]{43,128}$/

/** Whether a text can be a code verifier: 43 to 128 unreserved characters (RFC 7636 §4.1). */
export function isCodeVerifier(text: string): boolean {
  return verifier.test(text)
}

/** Whether a text can be an S256 code challenge: 43 characters of canonical base64url (RFC 7636 §4.2). */
export function isCodeChallenge(text: string): boolean {
  return text.length === 43 && isCanonicalBase64url(text)
}

/** The S256 challenge of a verifier (RFC 7636 §4.2). */
export function codeChallengeOf(codeVerifier: string): string {
  return sha256Base64url(codeVerifier)
}
