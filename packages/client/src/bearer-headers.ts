import { inspect } from 'node:util'
import type { Secret } from '@arctos/core'
import { createBoundary } from './resource-fetch.ts'

/** Whoever has access tokens: a session, or a client in its own name. */
export interface TokenHolder<Target extends { readonly resource: string }> {
  accessToken(target: Target): Promise<Secret>
}

/**
 * Headers of one request. They print and serialize without the token, as long as they are not copied. No interface, for what
 * sends them asks for an index signature.
 */
export type BearerHeaders = { readonly authorization: string }

/**
 * For programs that send requests by something else than fetch: gives the headers of one request, with an access token that is
 * good now. A URL outside the resource throws `outside_resource`, so the token cannot go elsewhere by mistake (RFC 6750 §5.3).
 * What is done with an answer is up to the caller: after 401 `invalid_token`, `session.refresh`; redirects are for the sender
 * to drop the header at.
 *
 * @param target what `accessToken` of the holder takes
 */
export function bearerHeaders<Target extends { readonly resource: string }>(
  holder: TokenHolder<Target>,
  target: Target,
): (url: string | URL) => Promise<BearerHeaders> {
  const boundary = createBoundary(target.resource)
  return async (url) => {
    boundary.resolve(url)
    return withoutTrace(await holder.accessToken(target))
  }
}

const redacted = 'Bearer [redacted]'

/** The one place for a token is the wire: whoever logs the headers, alone or within something else, gets none. */
function withoutTrace(token: Secret): BearerHeaders {
  const hidden = (value: unknown) => ({ value, enumerable: false })
  return Object.defineProperties({} as BearerHeaders, {
    // A getter, because what prints objects shows it as one.
    authorization: { get: () => `Bearer ${token.reveal()}`, enumerable: true },
    toJSON: hidden(() => ({ authorization: redacted })),
    [inspect.custom]: hidden(() => ({ authorization: redacted })),
  })
}
