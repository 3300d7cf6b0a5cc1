import type { ServerContext } from '../context.ts'
import { matchesEntityTag } from '../http/entity-tag.ts'
import type { Answer, ProgramRequest } from '../message.ts'

/** Guards may keep the key set this long, in seconds; their own freshness ends at 60 s. */
const maxAgeSeconds = 30

/** The public keys. RFC 7517 §5, RFC 8414 §2 */
export function jwksEndpoint(context: ServerContext, request: ProgramRequest): Answer {
  return keySetAnswer(context.keys.jwks(), request)
}

/** A key set, or word that it is the one that is held already. */
export function keySetAnswer(
  { body, etag }: { readonly body: string; readonly etag: string },
  request: ProgramRequest,
): Answer {
  const headers = {
    'content-type': 'application/jwk-set+json',
    'cache-control': `public, max-age=${maxAgeSeconds}`,
    'access-control-allow-origin': '*',
    'x-content-type-options': 'nosniff',
    etag,
  }
  if (matchesEntityTag(request.headers.get('if-none-match'), etag)) return { status: 304, headers, body: null }
  return { status: 200, headers, body }
}
