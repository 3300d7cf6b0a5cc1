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

export type HeaderSource =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>

/** Every value that a header came with, in order. Names compare without case. */
export function headerValues(headers: HeaderSource, name: string): readonly string[] {
  if (isLookup(headers)) {
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

function isLookup(headers: HeaderSource): headers is { get(name: string): string | null } {
  return typeof headers['get'] === 'function'
}

/** The path of a request without its query. */
export function pathOf(url: string): string {
  const path = URL.canParse(url) ? new URL(url).pathname : url
  const query = path.search(/[?#]/)
  return query < 0 ? path : path.slice(0, query)
}
