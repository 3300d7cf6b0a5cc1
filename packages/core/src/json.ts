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
 * Returns `undefined` for anything else. Two readers that disagree about one text are how tokens are smuggled (RFC 8725 §2.6,
 * RFC 7519 §4).
 */
export function parseJsonObject(bytes: Uint8Array): JsonObject | undefined {
  if (!isUtf8(bytes)) return undefined
  return parseStrictly(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'), bytes)
}

/** The same for a text that is already decoded. */
export function parseJsonObjectText(text: string): JsonObject | undefined {
  return parseStrictly(text, Buffer.from(text))
}

function parseStrictly(text: string, bytes: Uint8Array): JsonObject | undefined {
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
  return members === countColons(bytes) ? value : undefined
}

/** Whether a parsed value is a JSON object (not null, not an array). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Members of all objects in a value; NaN for one that is too deep or holds a number that is not finite (1e999). */
function countMembers(value: object, depthLeft: number): number {
  if (depthLeft === 0) return Number.NaN
  const children: readonly unknown[] = Array.isArray(value) ? value : Object.values(value)
  let count = Array.isArray(value) ? 0 : children.length
  for (const child of children) {
    if (typeof child === 'object' && child !== null) count += countMembers(child, depthLeft - 1)
    else if (typeof child === 'number' && !Number.isFinite(child)) return Number.NaN
  }
  return count
}

/** Colons outside strings, in the UTF-8 of a text that is known to be valid JSON: no byte of a longer character is ASCII. */
function countColons(bytes: Uint8Array): number {
  let count = 0
  let isInString = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === quote) isInString = !isInString
    else if (byte === colon) count += isInString ? 0 : 1
    // Whatever a backslash escapes does not end the string; there are none outside strings.
    else if (byte === backslash) at++
  }
  return count
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
