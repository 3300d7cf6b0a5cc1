const alphabet = /^[A-Za-z0-9_-]*$/
/** Last characters whose unused low bits are zero, by the number of characters in the last group. */
const lastOfTwo = 'AQgw'
const lastOfThree = 'AEIMQUYcgkosw048'

/**
 * Whether a text is the one canonical base64url spelling of its bytes: right alphabet, no padding, unused bits zero. Lenient
 * decoders give one token many spellings, and every list keyed by text can then be walked around (RFC 7515 §2, RFC 4648 §3.5).
 */
export function isCanonicalBase64url(text: string): boolean {
  if (!alphabet.test(text)) return false
  switch (text.length % 4) {
    case 0:
      return true
    case 2:
      return lastOfTwo.includes(text.charAt(text.length - 1))
    case 3:
      return lastOfThree.includes(text.charAt(text.length - 1))
    default:
      return false
  }
}

/** Decodes canonical base64url; `undefined` for any other spelling. */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  // Writing it again costs a fraction of looking at every character here.
  return bytes.toString('base64url') === text ? bytes : undefined
}

/** Encodes bytes, or a text as UTF-8, without padding. */
export function encodeBase64url(data: string | Uint8Array): string {
  const bytes =
    typeof data === 'string' ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  return bytes.toString('base64url')
}
