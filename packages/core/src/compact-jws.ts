import { decodeBase64url } from './base64url.ts'
import { freezeClaims, type JsonObject, parseJsonObject, readString } from './json.ts'
import { createRecentCache } from './recent-cache.ts'
import { Refusal } from './refusal.ts'

/** Longest token that is looked at, in characters. */
export const tokenLengthLimit = 8_192

/** A compact JWS whose form is right and whose signature nobody has checked yet. */
export interface UnverifiedJws {
  readonly header: JoseHeader
  readonly payload: Buffer
  readonly signature: Buffer
  /** The bytes under the signature. */
  readonly signingInput: Buffer
}

/** The protected header, with the members that decide read out. All of it is the sender's word. */
export interface JoseHeader {
  readonly alg: string
  readonly kid: string | undefined
  readonly typ: string | undefined
  readonly members: JsonObject
}

/**
 * Takes a compact JWS apart, strictly: at most 8 KB, exactly two dots, canonical base64url everywhere, a header that is one JSON
 * object without repeated members, and no `crit` extension (we know none). Throws `token.malformed`.
 * RFC 7515 §5.2, RFC 7515 §4.1.11
 *
 * @param lengthLimit in characters, for what is no token
 */
export function decodeUnverifiedJws(token: string, lengthLimit = tokenLengthLimit): UnverifiedJws {
  if (token.length > lengthLimit) throw malformed('length', lengthLimit, token.length)
  const headerEnd = token.indexOf('.')
  const payloadEnd = token.indexOf('.', headerEnd + 1)
  if (headerEnd <= 0 || payloadEnd < 0 || token.indexOf('.', payloadEnd + 1) >= 0)
    throw malformed('parts', 3, undefined)

  const header = readHeader(token.slice(0, headerEnd))
  const payload = decodeBase64url(token.slice(headerEnd + 1, payloadEnd))
  if (payload === undefined) throw malformed('payload encoding', 'canonical base64url', undefined)
  const signature = decodeBase64url(token.slice(payloadEnd + 1))
  if (signature === undefined) throw malformed('signature encoding', 'canonical base64url', undefined)
  return { header, payload, signature, signingInput: Buffer.from(token.slice(0, payloadEnd), 'latin1') }
}

// All tokens of one key and kind share one header text, so its parsing is done once. Bounded, for senders choose the text.
const headers = createRecentCache<string, JoseHeader>(64)
const cachedHeaderLength = 512

function readHeader(text: string): JoseHeader {
  const known = headers.get(text)
  if (known !== undefined) return known
  const bytes = decodeBase64url(text)
  if (bytes === undefined) throw malformed('header encoding', 'canonical base64url', undefined)
  const members = parseJsonObject(bytes)
  if (members === undefined) throw malformed('header', 'one JSON object without repeated members', undefined)
  const header = checkHeader(members)
  if (text.length <= cachedHeaderLength) headers.set(text, header)
  return header
}

function checkHeader(members: JsonObject): JoseHeader {
  const alg = readString(members, 'alg')
  if (alg === undefined) throw malformed('alg', 'a string', undefined)
  // Even an empty or standard-name crit is refused: we know no extension, so a token with one is never for us.
  if (members['crit'] !== undefined) throw malformed('crit', 'absent', 'present')
  return {
    alg,
    kid: optionalString(members, 'kid'),
    typ: optionalString(members, 'typ'),
    members: freezeClaims(members),
  }
}

function optionalString(members: JsonObject, name: string): string | undefined {
  const value = members[name]
  if (value !== undefined && typeof value !== 'string') throw malformed(name, 'a string', typeof value)
  return value
}

function malformed(check: string, expected: string | number, received: string | number | undefined): Refusal {
  return new Refusal('token.malformed', { check, expected, received })
}
