import type { FormFields } from './form-body.ts'

/**
 * The part of an HTTP request that decides. A Fetch `Request` is one; so is a plain object. A header that came twice is an
 * array: whoever joins or drops one of the two hides an attack from us.
 */
export interface GuardRequest {
  readonly method: string
  /** Absolute, or the path with its query. */
  readonly url: string
  readonly headers: HeaderSource
  /**
   * The fields of the request's form where the application has parsed it already, or a function that reads a copy. The function is
   * called only for a form, and only with the transport `form` switched on. RFC 6750 §2.2
   */
  readonly form?: FormFields | (() => Promise<FormFields | undefined>) | undefined
}

export type HeaderSource = HeaderLookup | Readonly<Record<string, string | readonly string[] | undefined>>

/** Headers by name, whatever its case: Fetch `Headers` are one, and every adapter gives one. */
export interface HeaderLookup {
  /** The values of a header with commas between; `null` where there is none. */
  get(name: string): string | null
  /** Every value by itself, for those who know. */
  readonly valuesOf?: (name: string) => readonly string[]
}

/** Every value that a header came with, in order. Names compare without case. @param name in lower case */
export function headerValues(headers: HeaderSource, name: string): readonly string[] {
  if (isLookup(headers)) {
    if (headers.valuesOf !== undefined) return headers.valuesOf(name)
    const value = headers.get(name)
    return value === null || value === undefined ? [] : [value]
  }
  const values: string[] = []
  for (const [key, value] of Object.entries(headers)) {
    if (value === undefined || key.toLowerCase() !== name) continue
    if (typeof value === 'string') values.push(value)
    else values.push(...value)
  }
  return values
}

function isLookup(headers: HeaderSource): headers is HeaderLookup {
  return typeof headers['get'] === 'function'
}

/** The path of a request without its query. */
export function pathOf(url: string): string {
  const path = URL.canParse(url) ? new URL(url).pathname : url
  const query = path.search(/[?#]/)
  return query < 0 ? path : path.slice(0, query)
}
