import { Refusal, refusalRow, sha256Base64url } from '@arctos/core'
import type { Peer, ServerContext } from '../context.ts'
import { enter, type SealedRefusal } from '../http/entry.ts'
import { readForm } from '../http/form.ts'
import { type SignedInUser, sealSignIn } from '../http/form-proof.ts'
import { pageAnswer, refusalPage, seeOther } from '../http/page.ts'
import type { JournalEvent } from '../journal.ts'
import { signInPage } from '../pages/sign-in-page.ts'
import { verifyPassword } from '../passwords.ts'
import { addressNetwork } from '../peer-address.ts'
import { canonicalUsername, type User } from '../store/verbs/users.ts'
import { type Browser, basePath, makeForm, openBrowserSession, readBrowser, readOwnForm } from './browser.ts'

const formSeconds = 3_600
const attemptWindowSeconds = 300
const attemptsPerAccount = 10
const attemptsPerAddress = 100

/** What a sign-in is for. It travels in the form's proof, so that nobody can have the browser sent elsewhere. */
export interface SignInDemand {
  /** Path on this server, with query. */
  readonly to: string
  readonly clientName?: string | undefined
  readonly leadsTo?: string | undefined
}

/** The login page and its form. RFC 6749 §3.1, RFC 6749 §10.10 */
export function signInEndpoint(context: ServerContext, request: Request, peer: Peer): Promise<Response> {
  const event: JournalEvent = { endpoint: 'sign-in' }
  let tried: Try | undefined
  return enter(
    context,
    event,
    async () => {
      const browser = await readBrowser(context, request.headers)
      const account = `${basePath(context)}/account`
      if (request.method !== 'POST') {
        return browser.session === undefined ? showSignIn(context, browser, { to: account }) : seeOther(account)
      }
      const parameters = await readForm(request)
      const form = readOwnForm(context, request, browser, 'sign-in', parameters)
      const { to = account, clientName, leadsTo } = form.data
      const username = (parameters.get('username') ?? '').trim()
      tried = { browser, demand: { to, clientName, leadsTo }, username }
      const user = await authenticateUser(context, peer, username, parameters.get('password') ?? '', event)
      const opened = await openBrowserSession(context, browser, user)
      if (opened === undefined) throw wrongPassword()
      const isAnother = browser.session !== undefined && browser.session.userId !== user.id
      return seeOther(withProof(context, to, opened.hash, isAnother ? 'another' : 'same'), [opened.cookie])
    },
    (sealed) => answerFailure(context, tried, sealed),
  )
}

/** The login page, for the request that waits for it. */
export function showSignIn(
  context: ServerContext,
  browser: Browser,
  demand: SignInDemand,
  last: { readonly username?: string; readonly problem?: string; readonly sealed?: SealedRefusal } = {},
): Response {
  const { to, clientName, leadsTo } = demand
  const data = { to, ...(clientName !== undefined && { clientName }), ...(leadsTo !== undefined && { leadsTo }) }
  const page = signInPage({
    action: `${basePath(context)}/sign-in`,
    proof: makeForm(context, browser, 'sign-in', formSeconds, data),
    clientName,
    username: last.username?.slice(0, 200) ?? '',
    problem: last.problem,
  })
  return pageAnswer(page, { cookies: browser.cookies, leadsTo, sealed: last.sealed })
}

/**
 * The user with this name and password. Attempts are counted before anything is looked up, for names that nobody has as
 * well; unknown, disabled and wrong are one answer after the same work. Throws `page.sign_in_failed` or
 * `request.limited`.
 */
export async function authenticateUser(
  context: ServerContext,
  peer: Peer,
  username: string,
  password: string,
  event: JournalEvent,
): Promise<User> {
  const name = canonicalUsername(username)
  const account = `sign-in account ${sha256Base64url(name)}`
  const address = `sign-in address ${addressNetwork(peer.address)}`
  const attempt = await context.store.takeAttempt([
    { id: account, count: attemptsPerAccount, windowSeconds: attemptWindowSeconds },
    { id: address, count: attemptsPerAddress, windowSeconds: attemptWindowSeconds },
  ])
  if (attempt.outcome === 'limited') {
    throw new Refusal('request.limited', { check: 'sign-ins', retryAfterSeconds: attempt.retryAfterSeconds })
  }
  const user = await context.store.readUserByName(name)
  if (user !== undefined) event.subject = user.id
  const isRight = await verifyPassword(password, user?.passwordHash)
  if (!isRight || user === undefined || user.disabledAt !== undefined) throw wrongPassword()
  await context.store.forgetAttempts(account)
  return user
}

function wrongPassword(): Refusal {
  return new Refusal('page.sign_in_failed', { check: 'user name and password' })
}

/** A request that asked for a new sign-in is told that this was it. */
function withProof(context: ServerContext, to: string, session: string, user: SignedInUser): string {
  const start = `${basePath(context)}/authorize?`
  if (!to.startsWith(start)) return to
  return `${to}&signed_in=${sealSignIn(context.keys.formKey(), session, to.slice(start.length), user)}`
}

/** What is shown again when it was wrong. */
interface Try {
  readonly browser: Browser
  readonly demand: SignInDemand
  readonly username: string
}

function answerFailure(context: ServerContext, tried: Try | undefined, sealed: SealedRefusal): Response {
  const { reason } = sealed.refusal
  if (tried === undefined || reason !== 'page.sign_in_failed') return refusalPage(sealed)
  const { browser, demand, username } = tried
  return showSignIn(context, browser, demand, { username, problem: refusalRow(reason).sentence, sealed })
}
