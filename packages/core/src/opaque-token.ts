import { crc32 } from 'node:zlib'
import { Secret } from './secret.ts'

/**
 * Machine-made secrets: `arctos_KIND_` + base62 of the bytes + six characters of CRC-32. The prefix lets scanners find leaked
 * ones, the checksum lets them (and us) dismiss typing errors without asking a database. These prefixes are those of a live
 * server; a test server writes `arctos_test_KIND_`, so that whoever finds one knows whether to get up at night.
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

/** Where a secret was made: a server that protects something, or one to try things with. */
export type SecretEnvironment = 'live' | 'test'

export const secretEnvironments = ['live', 'test'] as const satisfies readonly SecretEnvironment[]

/**
 * How many bytes a secret of each kind holds: 32 random ones. An access token begins with its expiry besides, a
 * refresh token has the ids of its key and its grant, and a tag.
 */
export const opaqueByteLengths: Readonly<Record<OpaqueKind, number>> = {
  accessToken: 36,
  refreshToken: 68,
  authorizationCode: 32,
  deviceCode: 32,
  clientSecret: 32,
  session: 32,
  sharedSecret: 32,
  apiKey: 32,
  personalAccessToken: 32,
}

const testMark = 'test_'
const markAt = 'arctos_'.length
const testPrefixes = Object.fromEntries(
  Object.entries(opaqueKinds).map(([kind, prefix]) => [
    kind,
    prefix.slice(0, markAt) + testMark + prefix.slice(markAt),
  ]),
) as Readonly<Record<OpaqueKind, string>>

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const digitValues = new Int8Array(128).fill(-1)
for (let value = 0; value < digits.length; value++) digitValues[digits.charCodeAt(value)] = value

// Four bytes become six characters, each word by itself: plain integer arithmetic, and one spelling for each value.
const wordCharacters = 6

/** How many characters follow the prefix of a kind, checksum included. */
export function opaqueBodyLength(kind: OpaqueKind): number {
  return (opaqueByteLengths[kind] / 4 + 1) * wordCharacters
}

/** Writes bytes (a multiple of four) as a token of its kind. */
export function formatOpaqueToken(kind: OpaqueKind, bytes: Buffer, environment: SecretEnvironment = 'live'): Secret {
  if (bytes.byteLength % 4 !== 0) throw new RangeError('an opaque token holds whole words of four bytes')
  let body: string = environment === 'live' ? opaqueKinds[kind] : testPrefixes[kind]
  for (let at = 0; at < bytes.byteLength; at += 4) body += encodeWord(bytes.readUInt32BE(at))
  return new Secret(body + encodeWord(crc32(body)))
}

/**
 * The bytes of a token of this kind and either environment, or `undefined` when prefix, length, spelling or checksum is wrong. A
 * well-formed token is not yet a known one: anyone can compute the checksum.
 */
export function parseOpaqueToken(
  kind: OpaqueKind,
  text: string,
  byteLength: number = opaqueByteLengths[kind],
): Buffer | undefined {
  const prefix = text.startsWith(testMark, markAt) ? testPrefixes[kind] : opaqueKinds[kind]
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

/** What a text is by its prefix alone. */
export interface OpaqueOrigin {
  readonly kind: OpaqueKind
  readonly environment: SecretEnvironment
}

/** Which kind of secret a text begins like, and from where; whether it is one, {@link parseOpaqueToken} says. */
export function opaqueOriginOf(text: string): OpaqueOrigin | undefined {
  if (!text.startsWith('arctos_')) return undefined
  const isTest = text.startsWith(testMark, markAt)
  const at = isTest ? markAt + testMark.length : markAt
  const kind = kindsByMark.get(text.slice(at, at + markLength))
  return kind && { kind, environment: isTest ? 'test' : 'live' }
}

const markLength = 'at_'.length
const kindsByMark = new Map(
  Object.entries(opaqueKinds).map(([kind, prefix]) => [prefix.slice(markAt), kind as OpaqueKind]),
)
const anyPrefix = new RegExp([...Object.values(opaqueKinds), ...Object.values(testPrefixes)].join('|'))

// A JOSE header begins with `{"`, which base64url writes as eyJ; the lookbehind keeps the search linear.
const jwt = /(?<![\w-])eyJ[\w-]+\.[\w-]*\.[\w-]*/

/**
 * Whether a text holds what looks like a machine-made secret or a JWT, also inside `Bearer …` or `--token=…`, so that it must
 * not be taken from a command line or logged.
 */
export function looksLikeCredential(text: string): boolean {
  return anyPrefix.test(text) || jwt.test(text)
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
