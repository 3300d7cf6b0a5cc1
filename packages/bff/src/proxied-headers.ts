import { quietHeaders } from './answers.ts'

// Lists of what may pass, in both directions. What must not (cookies, credentials, what proxies and gateways say about the caller,
// method overrides, hop-by-hop fields of RFC 9110 §7.6.1) has too many names to list.
const requestHeaders = [
  'accept',
  'accept-language',
  'content-language',
  'content-type',
  'idempotency-key',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-event-id',
  'prefer',
  'range',
  'traceparent',
  'tracestate',
]
const answerHeaders = [
  'accept-ranges',
  'arctos-receipt',
  'cache-control',
  'content-disposition',
  'content-language',
  'content-range',
  'content-type',
  'deprecation',
  'etag',
  'expires',
  'last-modified',
  'preference-applied',
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
  'sunset',
  'vary',
]
// Never, whoever asks for it: credentials, identities, what changes the meaning of the request or the rights of a page.
const forbidden =
  /^(authorization|cookie2?|set-cookie2?|dpop|host|origin|referer|via|forwarded|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-length|content-encoding|location|refresh|www-authenticate|authentication-info|clear-site-data|service-worker-allowed|arctos-bff|x-real-ip|x-original-.*|x-rewrite-.*|x-http-method.*|x-method-override|x-forwarded-.*|proxy-.*|sec-.*|access-control-.*|remote-user|x-remote-.*)$/
const headerName = /^[a-z0-9!#$%&'*+.^_`|~-]+$/

/** Whether an application may let this header (in lower case) pass. */
export function mayPass(name: string): boolean {
  return headerName.test(name) && !forbidden.test(name)
}

/** What the API gets of the headers of a page. */
export function forwardedHeaders(given: Headers, more: readonly string[]): Headers {
  return pick(given, [...requestHeaders, ...more])
}

/**
 * What a page gets of the headers of an API. An API cannot set cookies, open the answer to other origins, or have it kept where
 * others find it; and if somebody opens the answer as a page, nothing in it runs.
 */
export function returnedHeaders(given: Headers, more: readonly string[]): Headers {
  const headers = pick(given, [...answerHeaders, ...more])
  const cacheControl = headers.get('cache-control')
  for (const [name, value] of Object.entries(quietHeaders)) headers.set(name, value)
  if (cacheControl !== null && /(^|[\s,])(private|no-store)($|[\s,;])/i.test(cacheControl)) {
    headers.set('cache-control', cacheControl)
  }
  headers.set('content-security-policy', `${quietHeaders['content-security-policy']}; sandbox`)
  headers.append('vary', 'cookie')
  return headers
}

function pick(given: Headers, names: readonly string[]): Headers {
  const headers = new Headers()
  for (const name of names) {
    const value = given.get(name)
    if (value !== null) headers.set(name, value)
  }
  return headers
}
