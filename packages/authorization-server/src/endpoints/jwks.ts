import type { ServerContext } from '../context.ts'
import type { Answer, ProgramRequest } from '../message.ts'

/** Guards may keep the key set this long, in seconds; their own freshness ends at 60 s. */
const maxAgeSeconds = 30

/** The public keys. RFC 7517 §5, RFC 8414 §2 */
export function jwksEndpoint(context: ServerContext, request: ProgramRequest): Answer {
  const { body, etag } = context.keys.jwks()
  const headers = {
    'content-type': 'application/jwk-set+json',
    'cache-control': `public, max-age=${maxAgeSeconds}`,
    'access-control-allow-origin': '*',
    'x-content-type-options': 'nosniff',
    etag,
  }
  if (matches(request.headers.get('if-none-match'), etag)) return { status: 304, headers, body: null }
  return { status: 200, headers, body }
}

/** Whether one of the entity tags that a cache holds is this one. Proxies that compress make them weak. RFC 9110 §13.1.2 */
function matches(held: string | null, etag: string): boolean {
  const tags = (held ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  return tags.includes(etag) || tags.includes('*')
}
