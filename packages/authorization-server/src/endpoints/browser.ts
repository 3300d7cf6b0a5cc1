import { decodeBase64url, formatOpaqueToken, parseOpaqueToken, sha256Base64url } from '@arctos/core'
import { authenticationContexts } from '../authentication-contexts.ts'
import type { ServerContext } from '../context.ts'
import { formatCookie, readCookie } from '../http/cookies.ts'
import { readForm } from '../http/form.ts'
import { checkSameOrigin, type FormContent, type FormPurpose, openForm, sealForm } from '../http/form-proof.ts'
import type { Parameters } from '../parameters.ts'
import type { Session } from '../store/verbs/sessions.ts'

/** A browser, known by a cookie of its own, and who is signed in with it. */
export interface Browser {
  /** The value of its own cookie; forms are bound to it. */
  readonly id: string
  /** What has to be set with the next page, so that its form works. */
  readonly cookies: readonly string[]
  readonly session: BrowserSession | undefined
}

export interface BrowserSession extends Session {
  /** SHA-256 of the cookie, as the store has it. */
  readonly hash: string
}

const idBytes = 16
const sessionBytes = 32

/** Who is at the other end. Cookies that are cut, broken, doubled or unknown are those of nobody, never an error. */
export async function readBrowser(context: ServerContext, headers: Headers): Promise<Browser> {
  const known = readCookie(headers, 'arctos_browser', context.secureCookies)
  const isKnown = known !== undefined && decodeBase64url(known)?.byteLength === idBytes
  const id = isKnown ? known : context.random(idBytes).toString('base64url')
  const cookies = isKnown ? [] : [formatCookie('arctos_browser', id, context.secureCookies)]
  return { id, cookies, session: await readSession(context, headers) }
}

async function readSession(context: ServerContext, headers: Headers): Promise<BrowserSession | undefined> {
  const cookie = readCookie(headers, 'arctos_session', context.secureCookies)
  if (cookie === undefined || parseOpaqueToken('session', cookie, sessionBytes) === undefined) return undefined
  const hash = sha256Base64url(cookie)
  const session = await context.store.readSession(hash)
  return session && { ...session, hash }
}

/** A session that was opened: its cookie for the browser, its hash for proofs. */
export interface OpenedSession {
  readonly hash: string
  readonly cookie: string
}

/**
 * Opens a session under a new id, and ends the one that this browser had: an id that somebody planted before is never
 * signed in (session fixation). Returns `undefined` when the user was disabled or got another password meanwhile.
 */
export async function openBrowserSession(
  context: ServerContext,
  browser: Browser,
  user: { readonly id: string; readonly passwordHash: string },
): Promise<OpenedSession | undefined> {
  const token = formatOpaqueToken('session', context.random(sessionBytes), context.store.environment).reveal()
  const hash = sha256Base64url(token)
  const { outcome } = await context.store.openSession({
    hash,
    userId: user.id,
    passwordHash: user.passwordHash,
    acr: authenticationContexts.password,
    lifetimeSeconds: context.lifetimes.sessionSeconds,
    formerHash: browser.session?.hash,
  })
  if (outcome === 'user_disabled') return undefined
  return { hash, cookie: formatCookie('arctos_session', token, context.secureCookies) }
}

/** The proof that a form of one of our pages carries. */
export function makeForm(
  context: ServerContext,
  browser: Browser,
  purpose: FormPurpose,
  lifetimeSeconds: number,
  data: Readonly<Record<string, string>> = {},
): string {
  const id = context.random(idBytes).toString('base64url')
  const expiresAt = nowSeconds(context) + lifetimeSeconds
  const content = { id, expiresAt, session: browser.session?.hash ?? '', data }
  return sealForm(context.keys.formKey(), browser.id, purpose, content)
}

/**
 * What a form brought back, once it is clear that it is ours, from this browser, and not sent by another site.
 * RFC 6749 §10.12
 */
export function readOwnForm(
  context: ServerContext,
  request: Request,
  browser: Browser,
  purpose: FormPurpose,
  parameters: Parameters,
): FormContent {
  checkSameOrigin(request.headers, context.issuer)
  return openForm(context.keys.formKey(), browser.id, purpose, parameters.get('form'), nowSeconds(context))
}

/** A form of one of our pages as it came back, and from whom. */
export interface Submission {
  readonly parameters: Parameters
  readonly browser: Browser
  readonly form: FormContent
}

/** Reads a form of ours that was sent. Throws what {@link readForm} and {@link readOwnForm} throw. */
export async function readSubmission(
  context: ServerContext,
  request: Request,
  purpose: FormPurpose,
): Promise<Submission> {
  const parameters = await readForm(request)
  const browser = await readBrowser(context, request.headers)
  return { parameters, browser, form: readOwnForm(context, request, browser, purpose, parameters) }
}

/** Whether the form was shown to the user who is signed in now, in this very session. */
export function isFormOfSession(form: FormContent, session: BrowserSession | undefined): session is BrowserSession {
  return session !== undefined && form.session === session.hash
}

export function nowSeconds(context: ServerContext): number {
  return Math.floor(context.now() / 1_000)
}

/** The path under which the pages lie: that of the issuer, whatever name the server was reached by. */
export function basePath(context: ServerContext): string {
  return new URL(context.issuer).pathname.replace(/\/$/, '')
}
