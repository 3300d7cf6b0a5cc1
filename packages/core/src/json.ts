import { isUtf8 } from 'node:buffer'

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [name: string]: JsonValue | undefined
}

const depthLimit = 16
const quote = 0x22
const backslash = 0x5c
const colon = 0x3a

/**
 * Reads one JSON object strictly: fatal UTF-8 without BOM, no duplicate members, finite numbers, at most 16 levels deep.
 * Returns `undefined` for anything else. Two readers that disagree about one text are how tokens are smuggled (RFC 8725 §2.4,
 * RFC 7519 §4).
 */
export function parseJsonObject(bytes: Uint8Array): JsonObject | undefined {
  if (!isUtf8(bytes)) return undefined
  return parseJsonObjectText(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
}

/** The same for a text that is already decoded. */
export function parseJsonObjectText(text: string): JsonObject | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isJsonObject(value)) return undefined
  const members = countMembers(value, depthLimit)
  // Every member has one colon outside strings. The parser keeps the last of two equal names, so fewer members than colons
  // means that a name was repeated.
  return members === countColons(text) ? value : undefined
}

/** Whether a parsed value is a JSON object (not null, not an array). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Members of all objects in a value; NaN for one that is too deep or holds a number that is not finite (1e999). */
function countMembers(value: unknown, depthLeft: number): number {
  if (typeof value === 'number') return Number.isFinite(value) ? 0 : Number.NaN
  if (typeof value !== 'object' || value === null) return 0
  if (depthLeft === 0) return Number.NaN
  const children = Array.isArray(value) ? value : Object.values(value)
  let count = Array.isArray(value) ? 0 : children.length
  for (const child of children) count += countMembers(child, depthLeft - 1)
  return count
}

function countColons(text: string): number {
  let count = 0
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit === colon) count++
    else if (unit === quote) at = endOfString(text, at)
  }
  return count
}

/** Index of the quote that closes the string opened at `start`; the text is known to be valid JSON. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text.charCodeAt(at - 1 - backslashes) === backslash) backslashes++
  return backslashes % 2 === 1
}

/** A string member, or `undefined` when it is absent or of another type. */
export function readString(object: JsonObject, name: string): string | undefined {
  const value = object[name]
  return typeof value === 'string' ? value : undefined
}

/** A number member (finite by parsing), or `undefined`. */
export function readNumber(object: JsonObject, name: string): number | undefined {
  const value = object[name]
  return typeof value === 'number' ? value : undefined
}

/** A member that is one string or a non-empty array of strings, as an array; otherwise `undefined` (RFC 7519 §4.1.3). */
export function readStrings(object: JsonObject, name: string): readonly string[] | undefined {
  const value = object[name]
  if (typeof value === 'string') return [value]
  if (!Array.isArray(value) || value.length === 0) return undefined
  return value.every((item) => typeof item === 'string') ? (value as readonly string[]) : undefined
}

/** Freezes claims (or a header) all the way down: what is cached is shared between requests. */
export function freezeClaims(claims: JsonObject): JsonObject {
  for (const value of Object.values(claims)) {
    if (isJsonObject(value)) freezeClaims(value)
    else if (Array.isArray(value)) freezeList(value)
  }
  return Object.freeze(claims)
}

function freezeList(values: readonly unknown[]): void {
  for (const value of values) {
    if (isJsonObject(value)) freezeClaims(value)
    else if (Array.isArray(value)) freezeList(value)
  }
  Object.freeze(values)
}
