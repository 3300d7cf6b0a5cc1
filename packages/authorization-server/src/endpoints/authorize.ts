import { formatScope, missingScopes, Refusal, sha256Base64url } from '@arctos/core'
import type { RedirectTarget } from '../authorization-request.ts'
import type { ServerContext } from '../context.ts'
import { enter } from '../http/entry.ts'
import { readForm } from '../http/form.ts'
import { readSignInProof, type SignedInUser } from '../http/form-proof.ts'
import { pageAnswer, seeOther } from '../http/page.ts'
import type { JournalEvent } from '../journal.ts'
import { consentPage } from '../pages/consent-page.ts'
import { type Parameters, parseParameters } from '../parameters.ts'
import { formActionSource, isLoopbackRedirect, redirectHost } from '../redirect-uri.ts'
import { isPublicClient } from '../store/registered-client.ts'
import { offlineScope } from '../store/verbs/codes.ts'
import {
  type Authorization,
  findRedirectTarget,
  giveCode,
  readAuthorization,
  refuseAuthorization,
} from './authorization.ts'
import { type Browser, type BrowserSession, basePath, makeForm, nowSeconds, readBrowser } from './browser.ts'
import { showSignIn } from './sign-in.ts'

const consentFormSeconds = 600
/** How long after a sign-in the request that asked for it may still count on it. */
const freshSignInSeconds = 600

/**
 * The authorization endpoint: is it a request of a known client, who is the user, does the user agree? Answers with a
 * page, or by sending the browser back to the client. RFC 6749 §3.1, RFC 6749 §4.1.1
 */
export function authorizeEndpoint(context: ServerContext, request: Request): Promise<Response> {
  const event: JournalEvent = { endpoint: 'authorize' }
  let target: RedirectTarget | undefined
  return enter(
    context,
    event,
    async () => {
      const { parameters, problem } = await readParameters(request)
      target = await findRedirectTarget(context, parameters)
      if (problem !== undefined) throw problem
      const authorization = await readAuthorization(context, target, parameters)
      const browser = await readBrowser(context, request.headers)
      const { session } = browser
      if (session !== undefined) event.subject = session.userId
      const anew = session && readNewSignIn(context, authorization, session, parameters.get('signed_in'))
      if (session === undefined || (anew === undefined && mustSignIn(context, authorization, session))) {
        if (authorization.prompts.has('none')) throw new Refusal('authorize.login_required', { check: 'session' })
        // A form that another site sends brings no cookie of ours along; a redirect does.
        const here = `${basePath(context)}/authorize?${authorization.query}`
        return request.method === 'POST' ? seeOther(here) : signInFirst(context, browser, authorization, here)
      }
      // Somebody else than before: the page says in whose name, so that no account is swapped in silence.
      if (anew === 'another' || (await mustAsk(context, authorization, session))) {
        if (authorization.prompts.has('none')) throw new Refusal('authorize.consent_required', { check: 'consent' })
        return askConsent(context, browser, session, authorization)
      }
      const { outcome, answer } = await giveCode(context, authorization, session, undefined)
      event.outcome = outcome
      // The account or the client was disabled a moment ago, or the consent withdrawn: asking again finds out which.
      return outcome === 'issued' ? answer : seeOther(`${basePath(context)}/authorize?${authorization.query}`)
    },
    (sealed) => refuseAuthorization(context, target, sealed),
  )
}

function queryOf(request: Request): string {
  const start = request.url.indexOf('?')
  return start < 0 ? '' : request.url.slice(start + 1).replace(/#.*$/s, '')
}

interface ReadParameters {
  readonly parameters: Parameters
  /** What is wrong with the rest, if only client and address could be read. */
  readonly problem?: Refusal
}

/** The parameters of a query, or of a form body and then of nothing else. RFC 6749 §3.1 */
async function readParameters(request: Request): Promise<ReadParameters> {
  const query = queryOf(request)
  if (request.method === 'POST') {
    const parameters = await readForm(request)
    if (query === '') return { parameters }
    return {
      parameters,
      problem: new Refusal('request.invalid_parameter', { check: 'query', expected: 'none in a POST' }),
    }
  }
  try {
    return { parameters: parseParameters(query) }
  } catch (error) {
    // A repeated or malformed parameter is the client's to hear of, if those that say who it is are sound
    // (RFC 6749 §4.1.2.1).
    if (!(error instanceof Refusal)) throw error
    const pairs = query.split('&')
    const identity = pairs.filter((pair) => /^(client_id|redirect_uri)=/.test(pair))
    const state = pairs.filter((pair) => pair.startsWith('state='))
    return { parameters: parseAny([[...identity, ...state], identity], error), problem: error }
  }
}

/** The first of these that can be read. Throws `problem` when none can. */
function parseAny(candidates: readonly (readonly string[])[], problem: Refusal): Parameters {
  for (const pairs of candidates) {
    try {
      return parseParameters(pairs.join('&'))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
    }
  }
  throw problem
}

/** Whether a sign-in newer than the request is asked for, by `prompt=login` or `max_age` (OpenID Connect Core §3.1.2.1). */
function mustSignIn(
  context: ServerContext,
  { prompts, maxAgeSeconds }: Authorization,
  session: BrowserSession,
): boolean {
  const age = nowSeconds(context) - session.authenticatedAt
  const tooOld = maxAgeSeconds !== undefined && (maxAgeSeconds === 0 || age > maxAgeSeconds)
  return tooOld || prompts.has('login')
}

/** Who signed in for this very request, by the proof that the sign-in page sends the browser back with. */
function readNewSignIn(
  context: ServerContext,
  { query }: Authorization,
  session: BrowserSession,
  proof: string | undefined,
): SignedInUser | undefined {
  const isFresh = nowSeconds(context) - session.authenticatedAt < freshSignInSeconds
  return proof !== undefined && isFresh
    ? readSignInProof(context.keys.formKey(), session.hash, query, proof)
    : undefined
}

function signInFirst(context: ServerContext, browser: Browser, authorization: Authorization, to: string): Response {
  const { client, redirectUri, loginHint } = authorization
  const demand = { to, clientName: client.settings.name, leadsTo: formActionSource(redirectUri) }
  return showSignIn(context, browser, demand, { username: loginHint ?? '' })
}

/**
 * Whether the user has to be asked. A public client always asks: anyone can claim to be it (RFC 8252 §8.6,
 * RFC 6749 §10.2). A confidential one does not ask twice for the same.
 */
async function mustAsk(
  context: ServerContext,
  { client, prompts, scopes, resources }: Authorization,
  session: BrowserSession,
): Promise<boolean> {
  if (isPublicClient(client) || prompts.has('consent') || scopes.length === 0) return true
  const resourceKeys = resources.map((resource) => resource.key)
  const agreed = await context.store.readConsent({ userId: session.userId, clientId: client.id, resourceKeys })
  return missingScopes(scopes, agreed).length > 0
}

function askConsent(
  context: ServerContext,
  browser: Browser,
  session: BrowserSession,
  authorization: Authorization,
): Response {
  const { client, redirectUri, resources, scopes, query } = authorization
  const words = scopes.filter((word) => word !== offlineScope)
  const data = { query, shown: shownOf(authorization) }
  const page = consentPage({
    action: `${basePath(context)}/consent`,
    proof: makeForm(context, browser, 'consent', consentFormSeconds, data),
    username: session.username,
    clientId: client.id,
    clientName: client.settings.name,
    redirectHost: redirectHost(redirectUri),
    loopback: isLoopbackRedirect(redirectUri),
    resources: resources.map((resource) => resource.identifier),
    scopes: words.map((word) => ({ word, meaning: meaningOf(word, authorization) })),
    offline: scopes.includes(offlineScope),
  })
  return pageAnswer(page, { cookies: browser.cookies, leadsTo: formActionSource(redirectUri) })
}

function meaningOf(word: string, { resources }: Authorization): string {
  const meanings = resources.map((resource) => resource.scopes[word]).filter((meaning) => meaning !== undefined)
  return [...new Set(meanings)].join(' · ') || word
}

/** What the consent page showed, so that nothing else is agreed to when a registration changes meanwhile. */
export function shownOf({ scopes, resources, client, redirectUri }: Authorization): string {
  const keys = resources.map((resource) => resource.key)
  return sha256Base64url([client.id, client.settings.name, redirectUri, formatScope(scopes), ...keys].join('\n'))
}
