import { Refusal } from '@arctos/core'
import type { Peer, ServerContext } from '../context.ts'
import { preflightAnswer, refusalAnswer, toResponse } from '../http/answer.ts'
import { enter } from '../http/entry.ts'
import { refusalPage } from '../http/page.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import { accountEndpoint, changePasswordEndpoint, withdrawEndpoint } from './account.ts'
import { authorizeEndpoint } from './authorize.ts'
import { consentEndpoint } from './consent.ts'
import { deviceEndpoint } from './device.ts'
import { deviceAuthorizationEndpoint } from './device-authorization.ts'
import { deviceDecisionEndpoint } from './device-decision.ts'
import { liveEndpoint, readyEndpoint } from './health.ts'
import { introspectEndpoint } from './introspect.ts'
import { jwksEndpoint } from './jwks.ts'
import { leaksEndpoint } from './leaks.ts'
import { metadataEndpoint } from './metadata.ts'
import { endTokenEndpoint, newTokenEndpoint } from './personal-tokens.ts'
import { explainEndpoint, receiptPage } from './receipts.ts'
import { revokeEndpoint } from './revoke.ts'
import { signInEndpoint } from './sign-in.ts'
import { signOutEndpoint } from './sign-out.ts'
import { ssfConfigurationEndpoint, ssfResourceEndpoint } from './ssf-configuration.ts'
import { ssfJwksEndpoint } from './ssf-jwks.ts'
import { pollPath, ssfPollEndpoint } from './ssf-poll.ts'
import { ssfSnapshotEndpoint } from './ssf-snapshot.ts'
import { ssfStatusEndpoint } from './ssf-status.ts'
import { ssfStreamsEndpoint } from './ssf-streams.ts'
import { ssfAddSubjectEndpoint, ssfRemoveSubjectEndpoint } from './ssf-subjects.ts'
import { ssfVerifyEndpoint } from './ssf-verify.ts'
import { aggregationEndpoint, statusListEndpoint } from './status-list.ts'
import { tokenEndpoint } from './token.ts'

type ProgramEndpoint = (
  context: ServerContext,
  request: ProgramRequest,
  peer: Peer,
  target: string,
) => Answer | Promise<Answer>
type PageEndpoint = (context: ServerContext, request: Request, peer: Peer) => Promise<Response>

interface ProgramRoute {
  readonly kind: 'program'
  readonly methods: readonly string[]
  readonly endpoint: ProgramEndpoint
  /** Whether scripts of other origins may call it: never the pages, where cookies are (RFC 9700 §2.6). */
  readonly crossOrigin: boolean
}

interface PageRoute {
  readonly kind: 'page'
  readonly methods: readonly string[]
  readonly endpoint: PageEndpoint
}

type Route = ProgramRoute | PageRoute

const readable = ['GET', 'HEAD']
const forScripts = (methods: readonly string[], endpoint: ProgramEndpoint): Route => ({
  kind: 'program',
  methods,
  endpoint,
  crossOrigin: true,
})
const forOperators = (endpoint: ProgramEndpoint): Route => ({
  kind: 'program',
  methods: readable,
  endpoint,
  crossOrigin: false,
})
/** The feed of security events: services call it, never a browser. */
const forReceivers = (methods: readonly string[], endpoint: ProgramEndpoint): Route => ({
  kind: 'program',
  methods,
  endpoint,
  crossOrigin: false,
})
const page = (methods: readonly string[], endpoint: PageEndpoint): Route => ({ kind: 'page', methods, endpoint })

/** Every address below the issuer. One endpoint, one file. */
const routes: Readonly<Record<string, Route>> = {
  '/token': forScripts(['POST'], tokenEndpoint),
  '/introspect': forScripts(['POST'], introspectEndpoint),
  '/revoke': forScripts(['POST'], revokeEndpoint),
  '/device_authorization': forScripts(['POST'], deviceAuthorizationEndpoint),
  '/jwks': forScripts(readable, jwksEndpoint),
  '/receipts': forScripts(['POST'], explainEndpoint),
  '/authorize': page(['GET', 'POST'], authorizeEndpoint),
  '/sign-in': page(['GET', 'POST'], signInEndpoint),
  '/consent': page(['POST'], consentEndpoint),
  '/device': page(['GET', 'POST'], deviceEndpoint),
  '/device/decision': page(['POST'], deviceDecisionEndpoint),
  '/sign-out': page(['GET', 'POST'], signOutEndpoint),
  '/account': page(['GET'], accountEndpoint),
  '/account/withdraw': page(['POST'], withdrawEndpoint),
  '/account/password': page(['POST'], changePasswordEndpoint),
  '/account/tokens': page(['GET', 'POST'], newTokenEndpoint),
  '/account/tokens/end': page(['POST'], endTokenEndpoint),
  '/ssf/streams': forReceivers([...readable, 'POST', 'PATCH', 'PUT', 'DELETE'], ssfStreamsEndpoint),
  '/ssf/status': forReceivers([...readable, 'POST'], ssfStatusEndpoint),
  '/ssf/verify': forReceivers(['POST'], ssfVerifyEndpoint),
  '/ssf/subjects/add': forReceivers(['POST'], ssfAddSubjectEndpoint),
  '/ssf/subjects/remove': forReceivers(['POST'], ssfRemoveSubjectEndpoint),
  '/ssf/snapshot': forReceivers(readable, ssfSnapshotEndpoint),
  '/ssf/jwks': forScripts(readable, ssfJwksEndpoint),
  '/live': forOperators(liveEndpoint),
  '/ready': forOperators(readyEndpoint),
}

/** Who answers what. `target` is the path and query as they came, unnormalised: one spelling for each route. */
export interface Router {
  /** Answers programs with plain data; `undefined` where the path is none of theirs. */
  readonly answerProgram: (request: ProgramRequest, peer: Peer, target: string) => Answer | Promise<Answer> | undefined
  /** Answers everything. */
  readonly handle: (request: Request, peer: Peer, target: string) => Promise<Response>
}

export function createRouter(context: ServerContext): Router {
  const base = new URL(context.issuer).pathname.replace(/\/$/, '')
  const metadata = forScripts(readable, metadataEndpoint)
  const table = new Map<string, Route>([
    ...Object.entries(routes).map(([path, route]) => [base + path, route] as const),
    // RFC 8414 §3.1 puts the issuer's path behind the well-known part, OpenID Connect Discovery §4 before it.
    [`/.well-known/oauth-authorization-server${base}`, metadata],
    [`/.well-known/openid-configuration${base}`, metadata],
    [`${base}/.well-known/openid-configuration`, metadata],
    // SSF §7.2 and RFC 9728 §3.1 put it behind, too; the feed's own path is a part of what is protected.
    [`/.well-known/ssf-configuration${base}`, forScripts(readable, ssfConfigurationEndpoint)],
    [`/.well-known/oauth-protected-resource${base}/ssf`, forScripts(readable, ssfResourceEndpoint)],
  ])
  // Where nobody may report anything, there is nothing at that address.
  if (context.leakDesk !== undefined)
    table.set(`${base}/leaks`, { kind: 'program', methods: ['POST'], endpoint: leaksEndpoint, crossOrigin: false })
  const receipts = `${base}/receipts/`
  const poll = forReceivers(['POST'], ssfPollEndpoint)
  const { statusLists } = context
  const listPath = `${base}/status-lists/`
  if (statusLists !== undefined)
    table.set(
      `${base}/status-lists`,
      forScripts(readable, () => aggregationEndpoint(context, statusLists)),
    )
  const routeOf = (target: string): Route | undefined => {
    const path = pathOf(target)
    const route = table.get(path) ?? (path.startsWith(base + pollPath) ? poll : undefined)
    if (route !== undefined || statusLists === undefined || !path.startsWith(listPath)) return route
    return forScripts(readable, (_context, request) => statusListEndpoint(context, statusLists, request, target))
  }

  const answerProgram: Router['answerProgram'] = (request, peer, target) => {
    const route = routeOf(target)
    if (route?.kind !== 'program') return undefined
    if (route.methods.includes(request.method)) return route.endpoint(context, request, peer, target)
    if (request.method === 'OPTIONS' && route.crossOrigin) return preflightAnswer(route.methods)
    return refuseProgram(context, wrongMethod(route, request))
  }

  return {
    answerProgram,
    async handle(request, peer, target) {
      const answer = answerProgram(request, peer, target)
      if (answer !== undefined) return toResponse(await answer, request)
      const path = pathOf(target)
      const route = table.get(path)
      if (route?.kind !== 'page') {
        if (path.startsWith(receipts) && readable.includes(request.method)) return receiptPage(context, request)
        return toResponse(await refuseProgram(context, new Refusal('page.not_found', { check: 'path' })), request)
      }
      if (route.methods.includes(request.method)) return await route.endpoint(context, request, peer)
      return await refusePage(context, wrongMethod(route, request))
    },
  }
}

function pathOf(target: string): string {
  const query = target.indexOf('?')
  return query < 0 ? target : target.slice(0, query)
}

function wrongMethod(route: Route, request: { readonly method: string }): Refusal {
  const facts = { check: 'method', expected: route.methods.join(', '), received: request.method.slice(0, 20) }
  return new Refusal('request.method', facts)
}

function refuseProgram(context: ServerContext, refusal: Refusal): Promise<Answer> {
  const fail = (): Promise<Answer> => Promise.reject(refusal)
  return enter(context, { endpoint: 'router' }, fail, ({ receipt }) => refusalAnswer(context.issuer, refusal, receipt))
}

function refusePage(context: ServerContext, refusal: Refusal): Promise<Response> {
  const fail = (): Promise<Response> => Promise.reject(refusal)
  return enter(context, { endpoint: 'router' }, fail, refusalPage)
}
