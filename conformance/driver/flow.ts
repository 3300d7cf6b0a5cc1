import { createHash, randomBytes } from 'node:crypto'
import { type Browser, createBrowser, type Visit } from './browser.ts'
import { type Client, requestToken, type Tokens, tokensOf } from './client.ts'
import type { Environment, VariableName } from './environment.ts'
import { type Answer, encodeForm, type Form } from './http.ts'
import { endpointOf } from './issuer.ts'

/** The variables that every flow with a user needs, besides a client. */
export const userVariables = ['REDIRECT_URI', 'USER_SCOPE', 'USERNAME', 'PASSWORD'] as const satisfies VariableName[]
type UserEnvironment = Environment<(typeof userVariables)[number]>

/** A proof key and its challenge. RFC 7636 §4 */
export interface ProofKey {
  readonly verifier: string
  readonly challenge: string
}

export function createProofKey(verifier = randomBytes(32).toString('base64url')): ProofKey {
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

/** What a request says besides, or instead of, what it says by default; `undefined` leaves a parameter out. */
export type Changes = Readonly<Record<string, string | undefined>>

/** The authorization request that most scenarios begin with. */
export function authorizationForm(env: UserEnvironment, clientId: string, key: ProofKey, changes: Changes = {}): Form {
  return {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: env.REDIRECT_URI,
    scope: env.USER_SCOPE,
    state: randomBytes(9).toString('base64url'),
    code_challenge: key.challenge,
    code_challenge_method: 'S256',
    ...changes,
  }
}

/** The address that sends a browser to the authorization endpoint, whose own query stays. RFC 6749 §3.1 */
export async function authorizationUrl(issuer: string, form: Form): Promise<string> {
  const endpoint = await endpointOf(issuer, 'authorization_endpoint')
  return `${endpoint}${endpoint.includes('?') ? '&' : '?'}${encodeForm(form)}`
}

export function credentialsOf({ USERNAME, PASSWORD }: UserEnvironment): { username: string; password: string } {
  return { username: USERNAME, password: PASSWORD }
}

const browsers = new Map<string, Browser>()

/** The browser in which the user of one file of scenarios is signed in: servers limit how often a sign-in is tried. */
export function sharedBrowser(env: UserEnvironment): Browser {
  const browser = browsers.get(env.ISSUER) ?? createBrowser(env.REDIRECT_URI)
  browsers.set(env.ISSUER, browser)
  return browser
}

/** Sends the signed-in user through an authorization request, and ends wherever that leads. */
export async function authorize(
  env: UserEnvironment,
  form: Form,
  decision: 'approve' | 'deny' = 'approve',
): Promise<Visit> {
  const url = await authorizationUrl(env.ISSUER, form)
  return await sharedBrowser(env).visit(url, { signIn: credentialsOf(env), decision })
}

/** The parameters with which the browser came back to the client; throws where it went instead. */
export function callbackOf({ left, last }: Visit, redirectUri: string): URLSearchParams {
  if (left === undefined)
    throw new Error(`no redirect: ${last.url} answered ${last.status}: ${last.text.slice(0, 300)}`)
  if (!left.href.startsWith(redirectUri)) throw new Error(`sent to ${left.href} instead of ${redirectUri}`)
  return left.searchParams
}

/** A code and what it takes to redeem it. */
export interface Code {
  readonly code: string
  readonly verifier: string
  readonly redirectUri: string
}

/** Goes through the pages and comes back with a code. */
export async function obtainCode(env: UserEnvironment, clientId: string, changes: Changes = {}): Promise<Code> {
  const key = createProofKey()
  const form = authorizationForm(env, clientId, key, changes)
  const callback = callbackOf(await authorize(env, form), env.REDIRECT_URI)
  const code = callback.get('code')
  if (code === null) throw new Error(`no code, but ${callback}`)
  return { code, verifier: key.verifier, redirectUri: env.REDIRECT_URI }
}

/** Redeems a code; `changes` replaces or leaves out parameters. */
export function redeem(issuer: string, client: Client, code: Code, changes: Changes = {}): Promise<Answer> {
  return requestToken(issuer, client, {
    grant_type: 'authorization_code',
    code: code.code,
    redirect_uri: code.redirectUri,
    code_verifier: code.verifier,
    ...changes,
  })
}

/** The tokens of one whole flow. */
export async function userTokens(env: UserEnvironment, client: Client, changes: Changes = {}): Promise<Tokens> {
  return tokensOf(await redeem(env.ISSUER, client, await obtainCode(env, client.id, changes)))
}

/** The same, for scenarios about refresh tokens. */
export async function userTokensWithRefresh(
  env: UserEnvironment,
  client: Client,
  changes: Changes = {},
): Promise<Tokens & { readonly refreshToken: string }> {
  const { refreshToken, ...tokens } = await userTokens(env, client, changes)
  if (refreshToken === undefined) throw new Error(`no refresh token for scope ${JSON.stringify(env.USER_SCOPE)}`)
  return { ...tokens, refreshToken }
}

export function refresh(issuer: string, client: Client, refreshToken: string, changes: Changes = {}): Promise<Answer> {
  return requestToken(issuer, client, { grant_type: 'refresh_token', refresh_token: refreshToken, ...changes })
}

/** A text with one of its last characters changed; still of the same alphabet. */
export function altered(text: string): string {
  const at = text.length - 5
  return text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
}
