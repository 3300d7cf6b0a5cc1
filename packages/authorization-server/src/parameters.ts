import { Refusal } from '@arctos/core'

const parameterLimit = 100
/** Parameters that may be repeated (RFC 8707 §2, RFC 8693 §2.1). */
const repeatable = new Set(['resource', 'audience'])
/** Control characters other than tab and line ends. */
const controls = /[^\P{Cc}\t\n\r]/u

/** Parameters of one request. An empty value counts as absent (RFC 6749 §3.1, RFC 6749 §3.2). */
export interface Parameters {
  /** The value of a parameter that occurs at most once. */
  readonly get: (name: string) => string | undefined
  /** All values of a repeatable one. */
  readonly all: (name: string) => readonly string[]
}

/** The parameter's value; throws `request.missing_parameter` where there is none. */
export function required(parameters: Parameters, name: string): string {
  const value = parameters.get(name)
  if (value === undefined) throw new Refusal('request.missing_parameter', { check: 'parameter', expected: name })
  return value
}

/** Parses a form body or a query. Throws a `request.…` refusal for anything ambiguous. */
export function parseParameters(text: string): Parameters {
  const values = new Map<string, string[]>()
  if (text === '') return parametersOf(values)
  const pairs = text.split('&', parameterLimit + 2)
  if (pairs.length > parameterLimit) throw tooLarge('parameters', parameterLimit, pairs.length)
  for (const pair of pairs) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decode(equals < 0 ? pair : pair.slice(0, equals))
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1))
    const known = values.get(name)
    if (known === undefined) values.set(name, [value])
    else if (repeatable.has(name)) known.push(value)
    else
      throw new Refusal('request.duplicate_parameter', {
        check: 'parameter',
        expected: 'once',
        received: name.slice(0, 40),
      })
  }
  return parametersOf(values)
}

function parametersOf(values: ReadonlyMap<string, readonly string[]>): Parameters {
  return {
    get: (name) => values.get(name)?.[0] || undefined,
    all: (name) => (values.get(name) ?? []).filter((value) => value !== ''),
  }
}

/** Percent-decoding that refuses what is not UTF-8, what was never encoded, and control characters. */
function decode(text: string): string {
  const plain = text.includes('+') ? text.replaceAll('+', ' ') : text
  if (/[^\x20-\x7e]/.test(plain)) throw malformed('percent-encoded ASCII')
  if (!plain.includes('%')) return plain
  let decoded: string
  try {
    decoded = decodeURIComponent(plain)
  } catch {
    throw malformed('percent-encoded UTF-8')
  }
  if (controls.test(decoded)) throw malformed('no control characters')
  return decoded
}

/** Form-decodes one part of an HTTP Basic credential; `undefined` when it is malformed (RFC 6749 §2.3.1). */
export function formDecode(text: string): string | undefined {
  try {
    return decode(text)
  } catch {
    return undefined
  }
}

function malformed(expected: string): Refusal {
  return new Refusal('request.malformed', { check: 'encoding', expected })
}

/** The refusal of a request that goes beyond a bound. */
export function tooLarge(check: string, expected: number, received: number): Refusal {
  return new Refusal('request.too_large', { check, expected, received })
}
