import { isResourceIdentifier } from '@arctos/core'

// What ordinary endpoints are made of. Everything a shell, a command line or a second URL parser could read in its own way
// is missing on purpose: quotes, $ ; ( ) | < > ! * ^ backslash, @ (user information), # (fragment), blanks, anything not ASCII.
const plainUrl = /^https?:\/\/[A-Za-z0-9\-._~:/?=&%+,[\]]+$/
const lengthLimit = 2_000

/**
 * Whether a text is a URL that credentials may be sent to and a browser may be shown: https, or http on the loopback interface;
 * without user information and fragment. RFC 6749 §3.1, RFC 6749 §3.2, RFC 6749 §10.9, RFC 7009 §2
 */
export function isSecureUrl(text: string): boolean {
  if (text.length > lengthLimit || !plainUrl.test(text) || !URL.canParse(text)) return false
  return isSecure(new URL(text))
}

/** Whether a text can name an issuer: a secure URL without query (RFC 8414 §2). */
export function isIssuer(text: string): boolean {
  return isSecureUrl(text) && !text.includes('?')
}

/** Whether a text can name a resource that gets tokens from us: an identifier whose URL is secure (RFC 6750 §5.3). */
export function isSecureResource(text: string): boolean {
  return isResourceIdentifier(text) && isSecure(new URL(text))
}

/** Whether the URL is reached by TLS, or never leaves this machine. */
export function isSecure(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
