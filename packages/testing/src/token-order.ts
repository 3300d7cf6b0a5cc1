import { type AuthorizationServer, authenticationContexts } from '@arctos/authorization-server'
import { codeChallengeOf, encodeBase64url, formatOpaqueToken, resourceKey, sha256Base64url } from '@arctos/core'
import { callback, type Registration, type TestCredential } from './registration.ts'
import type { Overrides } from './signing.ts'

/** What a token is to be about. */
export interface TokenOrder {
  /** The user. Absent: the token is the client's own (client credentials). */
  readonly sub?: string | undefined
  /** By default every scope of the resource. */
  readonly scope?: string | readonly string[] | undefined
  /** Identifier of a registered resource; by default the first one. */
  readonly audience?: string | undefined
  /** By default `client-1`. */
  readonly clientId?: string | undefined
  /** Seconds that it has left; below 0 it is over. */
  readonly expiresIn?: number | undefined
  /** How the user signed in (RFC 9470); by default by password, as the server says it. */
  readonly acr?: string | undefined
  /** When the user signed in, epoch seconds; by default now. */
  readonly authTime?: number | undefined
  /** Claims to be replaced; `undefined` takes one away. The token is then signed anew, by the server's own key. */
  readonly claims?: Overrides | undefined
  /** Members of the header to be replaced, likewise. */
  readonly header?: Overrides | undefined
}

/** A token as the server gave it. */
export interface IssuedToken {
  readonly accessToken: string
  readonly credential: TestCredential
}

/** Has the server issue a token by its own token endpoint: for a client, or for a user who has agreed. RFC 6749 §4.1, §4.4 */
export async function issueToken(
  server: AuthorizationServer,
  registration: Registration,
  order: TokenOrder,
  post: (path: string, form: Readonly<Record<string, string>>, credential: TestCredential) => Promise<Response>,
): Promise<IssuedToken> {
  const { audience, sub, clientId = 'client-1' } = order
  const resource = audience === undefined ? registration.defaultResource() : registration.resourceOf(audience)
  const declared = Object.keys(resource.scopes)
  const words = typeof order.scope === 'string' ? order.scope.split(' ').filter(Boolean) : (order.scope ?? declared)
  const foreign = words.find((word) => !declared.includes(word))
  if (foreign !== undefined) {
    const given = JSON.stringify(foreign)
    throw new TypeError(`scope: ${given} is none of ${resource.identifier}; it has ${declared.join(' ')}`)
  }
  const credential = await registration.client(clientId)
  const target = { resource: resource.identifier, ...(words.length === 0 ? {} : { scope: words.join(' ') }) }
  const form =
    sub === undefined || sub === clientId
      ? { grant_type: 'client_credentials', ...target }
      : {
          grant_type: 'authorization_code',
          ...(await approve(server, registration, { ...order, sub, clientId, words, resource })),
        }
  const answer = await post('/token', form, credential)
  const body = (await answer.json()) as { readonly access_token?: string; readonly error?: string }
  if (body.access_token === undefined) throw new Error(`the server issued no token: ${answer.status} ${body.error}`)
  return { accessToken: body.access_token, credential }
}

interface Approved {
  readonly sub: string
  readonly clientId: string
  readonly words: readonly string[]
  readonly resource: { readonly identifier: string }
  readonly acr?: string | undefined
  readonly authTime?: number | undefined
}

/** Lets the user agree, and gives the fields with which the client redeems the code. */
async function approve(
  { context }: AuthorizationServer,
  registration: Registration,
  { sub, clientId, words, resource, acr, authTime }: Approved,
): Promise<Readonly<Record<string, string>>> {
  await registration.user(sub)
  const verifier = encodeBase64url(context.random(32))
  const code = formatOpaqueToken('authorizationCode', context.random(32), context.store.environment).reveal()
  const { outcome } = await context.store.issueCode({
    codeHash: sha256Base64url(code),
    form: undefined,
    clientId,
    userId: sub,
    authenticatedAt: authTime ?? Math.floor(context.now() / 1_000),
    acr: acr ?? authenticationContexts.password,
    scopes: words,
    resourceKeys: [resourceKey(resource.identifier)],
    redirectUri: callback,
    redirectUriSent: true,
    codeChallenge: codeChallengeOf(verifier),
    remember: false,
  })
  if (outcome !== 'issued') throw new Error(`the server gave no code: ${outcome}`)
  return { code, code_verifier: verifier, redirect_uri: callback }
}
