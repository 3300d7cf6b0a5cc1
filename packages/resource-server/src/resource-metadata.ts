import type { Answer } from './answer.ts'
import type { Transports } from './request/credentials.ts'
import { pathOf } from './request/guard-request.ts'

/** The document that tells clients how to get a token for this resource. RFC 9728 §2 */
export interface ResourceMetadata {
  readonly resource: string
  /** Absent where they differ by request. */
  readonly authorization_servers?: readonly string[]
  readonly scopes_supported?: readonly string[]
  readonly bearer_methods_supported: readonly string[]
}

/** RFC 9728 §3.2: a list without elements is left out. */
export function describeResource(
  resource: string,
  issuers: readonly string[],
  scopes: readonly string[],
  { form, query }: Transports,
): ResourceMetadata {
  return {
    resource,
    ...(issuers.length === 0 ? {} : { authorization_servers: issuers }),
    ...(scopes.length === 0 ? {} : { scopes_supported: scopes }),
    bearer_methods_supported: ['header', ...(form ? ['body'] : []), ...(query ? ['query'] : [])],
  }
}

/** The well-known part goes between host and path; a path that is only a slash counts as none. RFC 9728 §3.1 */
export function metadataUrlOf(resource: string): string {
  const { origin, pathname } = new URL(resource)
  return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}`
}

interface Described {
  readonly metadata: ResourceMetadata
  readonly metadataPath: string
}

/** The document as an answer. RFC 9728 §3.2 */
export function metadataAnswer({ metadata }: Pick<Described, 'metadata'>): Answer {
  const headers = {
    'content-type': 'application/json',
    'cache-control': 'max-age=300',
    // Clients in browsers look here before they have any credential, from any origin.
    'access-control-allow-origin': '*',
  }
  return { status: 200, headers, body: JSON.stringify(metadata) }
}

/** The answer to a request for the document; `undefined` for a request that is for something else. RFC 9728 §3.1 */
export function answerMetadataRequest(api: Described, method: string, url: string): Answer | undefined {
  if (pathOf(url) !== api.metadataPath) return undefined
  if (method === 'GET' || method === 'HEAD') return metadataAnswer(api)
  return { status: 405, headers: { allow: 'GET, HEAD' }, body: '' }
}
