import { randomBytes } from 'node:crypto'
import { codeChallengeOf, encodeBase64url, formatOpaqueToken, sha256Base64url } from '@arctos/core'
import { SignJWT } from 'jose'
import { expect } from 'vitest'
import { authenticationContexts } from '../../src/authentication-contexts.ts'
import {
  archive,
  basic,
  callback,
  type Form,
  type Installation,
  notes,
  type Reply,
  signerKey,
  signerKid,
} from './installation.ts'

/** What the user agreed to, with a code for it. */
export interface MintedCode {
  readonly code: string
  readonly verifier: string
  /** The parameters of a right exchange, without client authentication. */
  readonly form: Form
}

export interface Agreement {
  readonly clientId?: string
  readonly scopes?: readonly string[]
  readonly resources?: readonly string[]
  readonly redirectUri?: string
  readonly redirectUriSent?: boolean
}

const refreshable: readonly string[] = ['read', 'write', 'offline_access']

/** Has the store give a code, as the consent page does. */
export async function mintCode(site: Installation, agreement: Agreement = {}): Promise<MintedCode> {
  const { clientId = 'service', resources = [notes], redirectUri = callback, redirectUriSent = true } = agreement
  const code = formatOpaqueToken('authorizationCode', randomBytes(32)).reveal()
  const verifier = encodeBase64url(randomBytes(32))
  const { outcome } = await site.store.issueCode({
    codeHash: sha256Base64url(code),
    form: undefined,
    clientId,
    userId: site.userId,
    authenticatedAt: site.clock.seconds(),
    acr: authenticationContexts.password,
    scopes: agreement.scopes ?? refreshable,
    resourceKeys: resources,
    redirectUri,
    redirectUriSent,
    codeChallenge: codeChallengeOf(verifier),
    remember: false,
  })
  expect(outcome).toBe('issued')
  const form = {
    grant_type: 'authorization_code',
    code,
    code_verifier: verifier,
    redirect_uri: redirectUriSent ? redirectUri : undefined,
  }
  return { code, verifier, form }
}

/** The answer of the token endpoint to a client that authenticates by its secret, or names itself if it has none. */
export function ask(site: Installation, form: Form, clientId = 'service'): Promise<Reply> {
  const isPublic = clientId === 'app' || clientId === 'other-app'
  return isPublic ? site.post('/token', { ...form, client_id: clientId }) : site.post('/token', form, basic(clientId))
}

/** The tokens of a successful answer. */
export interface Tokens {
  readonly access: string
  readonly refresh: string
  readonly scope: string
  readonly expiresIn: number
}

export function tokensOf(reply: Reply): Tokens {
  expect(reply.text, 'the token endpoint refused').toContain('access_token')
  const { access_token: access, refresh_token: refresh, scope, expires_in: expiresIn } = reply.body
  return { access, refresh, scope, expiresIn } as Tokens
}

/** Tokens of a user for a client. */
export async function signIn(site: Installation, agreement: Agreement = {}): Promise<Tokens> {
  const { form } = await mintCode(site, agreement)
  return tokensOf(await ask(site, form, agreement.clientId))
}

/** The same with opaque access tokens. */
export function signInOpaque(site: Installation, agreement: Agreement = {}): Promise<Tokens> {
  return signIn(site, { resources: [archive], scopes: ['archive', 'offline_access'], ...agreement })
}

export function refresh(site: Installation, token: string, clientId?: string, more: Form = {}): Promise<Reply> {
  return ask(site, { grant_type: 'refresh_token', refresh_token: token, ...more }, clientId)
}

export function ownToken(site: Installation, more: Form = {}, clientId?: string): Promise<Reply> {
  return ask(site, { grant_type: 'client_credentials', ...more }, clientId)
}

export function introspect(site: Installation, token: string, caller = 'notes-api', more: Form = {}): Promise<Reply> {
  return site.post('/introspect', { token, ...more }, basic(caller))
}

export function revoke(site: Installation, token: string, clientId = 'service', more: Form = {}): Promise<Reply> {
  return site.post('/revoke', { token, ...more }, basic(clientId))
}

export async function isActive(site: Installation, token: string, caller?: string): Promise<boolean> {
  const reply = await introspect(site, token, caller)
  expect(reply.status).toBe(200)
  return reply.body['active'] as boolean
}

/** Claims of a client assertion, with changes; `undefined` leaves one out. */
export type AssertionChanges = Readonly<Record<string, unknown>>

export type AssertionHeader = Readonly<Record<string, string | undefined>>

let assertions = 0

export function makeAssertion(
  site: Installation,
  changes: AssertionChanges = {},
  header: AssertionHeader = {},
  key = signerKey,
): Promise<string> {
  assertions++
  const seconds = site.clock.seconds()
  const claims = {
    iss: 'signer',
    sub: 'signer',
    aud: site.issuer,
    iat: seconds,
    exp: seconds + 60,
    jti: `assertion-${assertions}`,
    ...changes,
  }
  const protectedHeader = { alg: 'ES256', kid: signerKid, typ: 'client-authentication+jwt', ...header }
  return new SignJWT(claims).setProtectedHeader(protectedHeader as { alg: string }).sign(key)
}

/** Authenticates by an assertion. */
export function assertionForm(assertion: string): Form {
  return {
    client_assertion: assertion,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  }
}
