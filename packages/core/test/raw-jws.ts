import { encodeBase64url, type SigningKey, signCompactJws } from '../src/index.ts'

/** A header or payload as it is written: a text or bytes as they are, anything else as JSON. */
export type Part = string | Uint8Array | object

/** Encodes one part of a compact JWS. */
export function segment(part: Part): string {
  return encodeBase64url(typeof part === 'string' || part instanceof Uint8Array ? part : JSON.stringify(part))
}

/** A compact JWS with any header, any payload and a signature that nobody made. */
export function unsigned(header: Part, payload: Part, signature: Uint8Array = new Uint8Array(64)): string {
  return `${segment(header)}.${segment(payload)}.${segment(signature)}`
}

/** A compact JWS with any header text, really signed. */
export function signed(key: SigningKey, header: Part, payload: string): string {
  return signCompactJws(segment(header), payload, key)
}
