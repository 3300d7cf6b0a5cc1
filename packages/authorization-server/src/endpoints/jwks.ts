import type { ServerContext } from '../context.ts'

/** Guards may keep the key set this long, in seconds; their own freshness ends at 60 s. */
const maxAgeSeconds = 30

/** The public keys. RFC 7517 §5, RFC 8414 §2 */
export function jwksEndpoint(context: ServerContext, request: Request): Response {
  const { body, etag } = context.keys.jwks()
  const headers = {
    'content-type': 'application/jwk-set+json',
    'cache-control': `public, max-age=${maxAgeSeconds}`,
    'access-control-allow-origin': '*',
    'x-content-type-options': 'nosniff',
    etag,
  }
  if (request.headers.get('if-none-match') === etag) return new Response(null, { status: 304, headers })
  return new Response(request.method === 'HEAD' ? null : body, { headers })
}
