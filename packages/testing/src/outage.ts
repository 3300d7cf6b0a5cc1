/** What is out of order at the authorization server. */
export type OutageOf = 'jwks' | 'metadata' | 'token' | 'introspection' | 'revocation' | 'feed' | 'all'

/**
 * In which way: `error` answers 500, `page` answers 200 with HTML, `redirect` sends elsewhere, `foreign` answers with another
 * issuer's metadata, `hang` does not answer until the outage is over.
 */
export type OutageKind = 'error' | 'page' | 'redirect' | 'foreign' | 'hang'

/** The outages under way; the latest one about a path counts. */
export interface Outages {
  /** Returns what ends it. Ending it twice does nothing. */
  begin(of: OutageOf, kind: OutageKind): () => void
  /** The answer while something is out of order there; `undefined` where all is well. */
  answerTo(url: URL): Promise<Response> | undefined
}

interface Outage {
  readonly of: OutageOf
  readonly kind: OutageKind
  readonly over: Promise<void>
}

const paths: Readonly<Record<Exclude<OutageOf, 'all'>, RegExp>> = {
  jwks: /\/jwks$/,
  metadata: /\/\.well-known\//,
  token: /\/token$/,
  introspection: /\/introspect$/,
  revocation: /\/revoke$/,
  feed: /\/ssf\//,
}

export function createOutages(): Outages {
  const outages = new Set<Outage>()
  return {
    begin(of, kind) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const outage = { of, kind, over: promise }
      outages.add(outage)
      return () => {
        outages.delete(outage)
        resolve()
      }
    },
    answerTo({ pathname, origin }) {
      const outage = [...outages].findLast(({ of }) => of === 'all' || paths[of].test(pathname))
      return outage && answerDuring(outage, origin)
    },
  }
}

async function answerDuring({ kind, over }: Outage, origin: string): Promise<Response> {
  switch (kind) {
    case 'error':
      return new Response('out of order', { status: 500 })
    case 'page':
      return new Response('<!doctype html><title>Sign in to the network</title>', {
        headers: { 'content-type': 'text/html' },
      })
    case 'redirect':
      return new Response(null, { status: 302, headers: { location: '/trap/redirect' } })
    case 'foreign':
      // The keys would do, so that whoever does not compare the issuer lets tokens in.
      return Response.json({ issuer: 'https://as.example.net', jwks_uri: `${origin}/jwks` })
    case 'hang':
      await over
      return new Response('out of order', { status: 503 })
  }
}
