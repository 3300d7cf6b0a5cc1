import { Refusal } from '@arctos/core'
import type { Peer, ServerContext } from '../context.ts'
import { preflightAnswer, refusalAnswer } from '../http/answer.ts'
import { enter } from '../http/entry.ts'
import { refusalPage } from '../http/page.ts'
import { accountEndpoint, changePasswordEndpoint, withdrawEndpoint } from './account.ts'
import { authorizeEndpoint } from './authorize.ts'
import { consentEndpoint } from './consent.ts'
import { liveEndpoint, readyEndpoint } from './health.ts'
import { introspectEndpoint } from './introspect.ts'
import { jwksEndpoint } from './jwks.ts'
import { metadataEndpoint } from './metadata.ts'
import { explainEndpoint, receiptPage } from './receipts.ts'
import { revokeEndpoint } from './revoke.ts'
import { signInEndpoint } from './sign-in.ts'
import { signOutEndpoint } from './sign-out.ts'
import { tokenEndpoint } from './token.ts'

type Endpoint = (context: ServerContext, request: Request, peer: Peer) => Response | Promise<Response>

interface Route {
  readonly methods: readonly string[]
  readonly endpoint: Endpoint
  /** Whether scripts of other origins may call it: never the pages, where cookies are (RFC 9700 §2.6). */
  readonly crossOrigin: boolean
}

const readable = ['GET', 'HEAD']
const forScripts = (methods: readonly string[], endpoint: Endpoint): Route => ({ methods, endpoint, crossOrigin: true })
const page = (methods: readonly string[], endpoint: Endpoint): Route => ({ methods, endpoint, crossOrigin: false })

/** Every address below the issuer. One endpoint, one file. */
const routes: Readonly<Record<string, Route>> = {
  '/token': forScripts(['POST'], tokenEndpoint),
  '/introspect': forScripts(['POST'], introspectEndpoint),
  '/revoke': forScripts(['POST'], revokeEndpoint),
  '/jwks': forScripts(readable, jwksEndpoint),
  '/receipts': forScripts(['POST'], explainEndpoint),
  '/authorize': page(['GET', 'POST'], authorizeEndpoint),
  '/sign-in': page(['GET', 'POST'], signInEndpoint),
  '/consent': page(['POST'], consentEndpoint),
  '/sign-out': page(['GET', 'POST'], signOutEndpoint),
  '/account': page(['GET'], accountEndpoint),
  '/account/withdraw': page(['POST'], withdrawEndpoint),
  '/account/password': page(['POST'], changePasswordEndpoint),
  '/live': page(readable, liveEndpoint),
  '/ready': page(readable, readyEndpoint),
}

/** Answers one request. `target` is the path and query as they came, unnormalised: one spelling for each route. */
export type Router = (request: Request, peer: Peer, target: string) => Response | Promise<Response>

export function createRouter(context: ServerContext): Router {
  const base = new URL(context.issuer).pathname.replace(/\/$/, '')
  const metadata = forScripts(readable, metadataEndpoint)
  const table = new Map<string, Route>([
    ...Object.entries(routes).map(([path, route]) => [base + path, route] as const),
    // RFC 8414 §3.1 puts the issuer's path behind the well-known part, OpenID Connect Discovery §4 before it.
    [`/.well-known/oauth-authorization-server${base}`, metadata],
    [`/.well-known/openid-configuration${base}`, metadata],
    [`${base}/.well-known/openid-configuration`, metadata],
  ])
  const receipts = `${base}/receipts/`

  return (request, peer, target) => {
    const query = target.indexOf('?')
    const path = query < 0 ? target : target.slice(0, query)
    const route = table.get(path)
    if (route === undefined) {
      if (path.startsWith(receipts) && readable.includes(request.method)) return receiptPage(context)
      return refuse(context, new Refusal('page.not_found', { check: 'path' }))
    }
    if (route.methods.includes(request.method)) return route.endpoint(context, request, peer)
    if (request.method === 'OPTIONS' && route.crossOrigin) return preflightAnswer(route.methods)
    const facts = { check: 'method', expected: route.methods.join(', '), received: request.method.slice(0, 20) }
    return refuse(context, new Refusal('request.method', facts), route)
  }
}

function refuse(context: ServerContext, refusal: Refusal, route?: Route): Promise<Response> {
  return enter(
    context,
    { endpoint: 'router' },
    () => Promise.reject(refusal),
    (sealed) =>
      route?.crossOrigin === false ? refusalPage(sealed) : refusalAnswer(context.issuer, refusal, sealed.receipt),
  )
}
