import { Refusal } from '@arctos/core'
import type { Peer, ServerContext } from '../context.ts'
import { enter, type SealedRefusal } from '../http/entry.ts'
import { pageAnswer, refusalPage, seeOther } from '../http/page.ts'
import type { JournalEvent } from '../journal.ts'
import { accountPage } from '../pages/account-page.ts'
import { type Parameters, required } from '../parameters.ts'
import { hashPassword, passwordProblem } from '../passwords.ts'
import type { Application } from '../store/verbs/applications.ts'
import {
  type Browser,
  type BrowserSession,
  basePath,
  isFormOfSession,
  makeForm,
  openBrowserSession,
  readBrowser,
  readSubmission,
} from './browser.ts'
import { type PersonalTokens, readPersonalTokens } from './personal-tokens.ts'
import { authenticateUser, showSignIn } from './sign-in.ts'

const formSeconds = 3_600
const notices: Readonly<Record<string, string>> = {
  withdrawn: 'The access was withdrawn. It ends now.',
  token: 'The token was revoked. It ends now.',
  password: 'Your password was changed. Everything else that was signed in has ended.',
}

/** The user's own page. Whoever is not signed in signs in first and comes back. */
export function accountEndpoint(context: ServerContext, request: Request): Promise<Response> {
  const event: JournalEvent = { endpoint: 'account' }
  return enter(
    context,
    event,
    async () => {
      const browser = await readBrowser(context, request.headers)
      const { session } = browser
      if (session === undefined) return showSignIn(context, browser, { to: accountPath(context) })
      event.subject = session.userId
      const done = /\?done=([a-z]+)$/.exec(request.url)?.[1] ?? ''
      const notice = Object.hasOwn(notices, done) ? notices[done] : undefined
      return showAccount(context, await readAccount(context, browser, session), { notice })
    },
    refusalPage,
  )
}

/** Takes back what an application was given: its grants and tokens end, and it has to ask again. */
export function withdrawEndpoint(context: ServerContext, request: Request): Promise<Response> {
  const event: JournalEvent = { endpoint: 'account/withdraw' }
  return enter(
    context,
    event,
    async () => {
      const { parameters, browser, form } = await readSubmission(context, request, 'withdraw')
      const { session } = browser
      if (!isFormOfSession(form, session)) return seeOther(accountPath(context))
      event.subject = session.userId
      const clientId = required(parameters, 'client_id')
      await context.store.withdrawApplication({ userId: session.userId, clientId })
      event.outcome = 'withdrawn'
      return seeOther(`${accountPath(context)}?done=withdrawn`)
    },
    refusalPage,
  )
}

/**
 * Changes the password. The current one is asked for, and counted like a sign-in: the browser may be somebody else's by
 * now. All other sessions and all grants end with the old password; this browser goes on under a new session.
 */
export function changePasswordEndpoint(context: ServerContext, request: Request, peer: Peer): Promise<Response> {
  const event: JournalEvent = { endpoint: 'account/password' }
  let view: AccountView | undefined
  let problem: string | undefined
  return enter(
    context,
    event,
    async () => {
      const { parameters, browser, form } = await readSubmission(context, request, 'password')
      const { session } = browser
      if (!isFormOfSession(form, session)) return seeOther(accountPath(context))
      event.subject = session.userId
      view = await readAccount(context, browser, session)
      problem = newPasswordProblem(parameters, session.username)
      if (problem !== undefined) throw new Refusal('request.invalid_parameter', { check: 'new password' })
      const current = parameters.get('current_password') ?? ''
      const user = await authenticateUser(context, peer, session.username, current, event)
      const passwordHash = await hashPassword(parameters.get('new_password') ?? '', context.random)
      await context.store.changeUser({ id: user.id, passwordHash, actor: user.id })
      const opened = await openBrowserSession(context, browser, { id: user.id, passwordHash })
      const here = accountPath(context)
      return opened === undefined ? seeOther(here) : seeOther(`${here}?done=password`, [opened.cookie])
    },
    (sealed) => answerFailure(context, view, problem, sealed),
  )
}

function newPasswordProblem(parameters: Parameters, username: string): string | undefined {
  const fresh = parameters.get('new_password') ?? ''
  if (fresh !== (parameters.get('new_password_again') ?? '')) return 'The new password was not the same both times.'
  if (fresh === parameters.get('current_password')) return 'The new password is the current one.'
  return passwordProblem(fresh, username)
}

/** What is wrong with the passwords is shown beside them, everything else on a page of its own. */
function answerFailure(
  context: ServerContext,
  view: AccountView | undefined,
  problem: string | undefined,
  sealed: SealedRefusal,
): Response {
  const { reason } = sealed.refusal
  const sentence = reason === 'page.sign_in_failed' ? 'The current password is wrong.' : problem
  if (view === undefined || sentence === undefined) return refusalPage(sealed)
  return showAccount(context, view, { problem: sentence, sealed })
}

/** Who looks at the page, and what is on it. */
interface AccountView {
  readonly browser: Browser
  readonly session: BrowserSession
  readonly applications: readonly Application[]
  readonly personal: PersonalTokens
}

async function readAccount(context: ServerContext, browser: Browser, session: BrowserSession): Promise<AccountView> {
  const applications = await context.store.listApplications(session.userId)
  return { browser, session, applications, personal: await readPersonalTokens(context, session.userId) }
}

interface AccountMessage {
  readonly notice?: string | undefined
  readonly problem?: string
  readonly sealed?: SealedRefusal
}

function showAccount(context: ServerContext, view: AccountView, { notice, problem, sealed }: AccountMessage): Response {
  const { browser, session, applications, personal } = view
  const page = accountPage({
    base: basePath(context),
    username: session.username,
    applications,
    personal,
    endTokenProof: makeForm(context, browser, 'end-token', formSeconds),
    withdrawProof: makeForm(context, browser, 'withdraw', formSeconds),
    passwordProof: makeForm(context, browser, 'password', formSeconds),
    notice,
    problem,
  })
  return pageAnswer(page, { cookies: browser.cookies, sealed })
}

function accountPath(context: ServerContext): string {
  return `${basePath(context)}/account`
}
