import { crc32 } from 'node:zlib'
import { Secret } from './secret.ts'

/**
 * Machine-made secrets: `arctos_KIND_` + base62 of the bytes + six characters of CRC-32. The prefix lets scanners find leaked
 * ones, the checksum lets them (and us) dismiss typing errors without asking a database.
 */
export const opaqueKinds = {
  accessToken: 'arctos_at_',
  refreshToken: 'arctos_rt_',
  authorizationCode: 'arctos_ac_',
  deviceCode: 'arctos_dc_',
  clientSecret: 'arctos_cs_',
  session: 'arctos_ss_',
  sharedSecret: 'arctos_hs_',
  apiKey: 'arctos_ak_',
  personalAccessToken: 'arctos_pt_',
} as const

export type OpaqueKind = keyof typeof opaqueKinds

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const digitValues = new Int8Array(128).fill(-1)
for (let value = 0; value < digits.length; value++) digitValues[digits.charCodeAt(value)] = value

// Four bytes become six characters, each word by itself: plain integer arithmetic, and one spelling for each value.
const wordCharacters = 6

/** Writes bytes (a multiple of four) as a token of its kind. */
export function formatOpaqueToken(kind: OpaqueKind, bytes: Buffer): Secret {
  if (bytes.byteLength % 4 !== 0) throw new RangeError('an opaque token holds whole words of four bytes')
  let body: string = opaqueKinds[kind]
  for (let at = 0; at < bytes.byteLength; at += 4) body += encodeWord(bytes.readUInt32BE(at))
  return new Secret(body + encodeWord(crc32(body)))
}

/**
 * The bytes of a token of this kind, or `undefined` when prefix, length, spelling or checksum is wrong. A well-formed token is
 * not yet a known one: anyone can compute the checksum.
 */
export function parseOpaqueToken(kind: OpaqueKind, text: string, byteLength: number): Buffer | undefined {
  const prefix = opaqueKinds[kind]
  const bodyLength = prefix.length + (byteLength / 4) * wordCharacters
  if (text.length !== bodyLength + wordCharacters || !text.startsWith(prefix)) return undefined
  const bytes = Buffer.allocUnsafe(byteLength)
  for (let word = 0; word < byteLength / 4; word++) {
    const value = decodeWord(text, prefix.length + word * wordCharacters)
    if (value === undefined) return undefined
    bytes.writeUInt32BE(value, word * 4)
  }
  return decodeWord(text, bodyLength) === crc32(text.slice(0, bodyLength)) ? bytes : undefined
}

// A JOSE header begins with `{"`, which base64url writes as eyJ; the lookbehind keeps the search linear.
const jwt = /(?<![\w-])eyJ[\w-]+\.[\w-]*\.[\w-]*/

/**
 * Whether a text holds what looks like a machine-made secret or a JWT, also inside `Bearer …` or `--token=…`, so that it must
 * not be taken from a command line or logged.
 */
export function looksLikeCredential(text: string): boolean {
  return Object.values(opaqueKinds).some((prefix) => text.includes(prefix)) || jwt.test(text)
}

function encodeWord(word: number): string {
  let text = ''
  let rest = word
  for (let count = 0; count < wordCharacters; count++) {
    text = digits.charAt(rest % 62) + text
    rest = Math.floor(rest / 62)
  }
  return text
}

function decodeWord(text: string, start: number): number | undefined {
  let word = 0
  for (let at = start; at < start + wordCharacters; at++) {
    const value = digitValues[text.charCodeAt(at)] ?? -1
    if (value < 0) return undefined
    word = word * 62 + value
  }
  return word <= 0xffffffff ? word : undefined
}
