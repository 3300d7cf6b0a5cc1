import { randomUUID } from 'node:crypto'
import { importJWK, type JWK, SignJWT } from 'jose'
import type { Environment } from './environment.ts'
import { type Answer, type Form, jsonOf, pairsOf, postForm } from './http.ts'
import { endpointOf } from './issuer.ts'

/** A client and how it shows who it is. */
export interface Client {
  readonly id: string
  /** What it adds to a request. */
  readonly credentials: () => Credentials | Promise<Credentials>
}

export interface Credentials {
  readonly headers?: Readonly<Record<string, string>>
  readonly form?: Readonly<Record<string, string>>
}

/** HTTP Basic, which every server with secrets has to take; both halves are form-encoded first. RFC 6749 §2.3.1 */
export function secretBasic(id: string, secret: string): Client {
  const value = Buffer.from(`${formEncode(id)}:${formEncode(secret)}`).toString('base64')
  return { id, credentials: () => ({ headers: { authorization: `Basic ${value}` } }) }
}

export function secretPost(id: string, secret: string): Client {
  return { id, credentials: () => ({ form: { client_id: id, client_secret: secret } }) }
}

/** A public client only says who it is. RFC 6749 §3.2.1 */
export function publicClient(id: string): Client {
  return { id, credentials: () => ({ form: { client_id: id } }) }
}

/** Claims of an assertion that are to differ from the right ones; `undefined` leaves one out. */
export type ClaimChanges = Readonly<Record<string, unknown>>

/** A client that signs an assertion for each request. RFC 7523 §2.2, RFC 7523 §3 */
export function privateKeyJwt(id: string, privateJwk: string, issuer: string, changes: ClaimChanges = {}): Client {
  return {
    id,
    credentials: async () => ({
      form: {
        client_id: id,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await signAssertion(id, privateJwk, issuer, changes),
      },
    }),
  }
}

export async function signAssertion(
  id: string,
  privateJwk: string,
  issuer: string,
  changes: ClaimChanges = {},
): Promise<string> {
  const jwk = JSON.parse(privateJwk) as JWK
  const now = Math.floor(Date.now() / 1_000)
  const claims = { iss: id, sub: id, aud: issuer, jti: randomUUID(), iat: now, exp: now + 60, ...changes }
  const header = { alg: jwk.alg ?? 'ES256', ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) }
  return await new SignJWT(claims).setProtectedHeader(header).sign(await importJWK(jwk, header.alg))
}

/** CLIENT, the confidential client of most scenarios. */
export function confidential(env: Environment<'CLIENT_ID' | 'CLIENT_SECRET'>): Client {
  return secretBasic(env.CLIENT_ID, env.CLIENT_SECRET)
}

/** CLIENT2, somebody else. */
export function other(env: Environment<'CLIENT2_ID' | 'CLIENT2_SECRET'>): Client {
  return secretBasic(env.CLIENT2_ID, env.CLIENT2_SECRET)
}

/** The resource server of AUDIENCE, as it introspects. */
export function resourceServer(env: Environment<'RS_CLIENT_ID' | 'RS_CLIENT_SECRET'>): Client {
  return secretBasic(env.RS_CLIENT_ID, env.RS_CLIENT_SECRET)
}

/** The resource server of AUDIENCE2. */
export function resourceServer2(env: Environment<'RS2_ID' | 'RS2_SECRET'>): Client {
  return secretBasic(env.RS2_ID, env.RS2_SECRET)
}

/** Posts a form with the client's credentials. What the form names itself goes before them. */
export async function postAs(
  client: Client,
  url: string,
  form: Form,
  more: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const { headers = {}, form: credentials = {} } = await client.credentials()
  const pairs = pairsOf(form)
  const added = Object.entries(credentials).filter(([name]) => !pairs.some(([known]) => known === name))
  return await postForm(url, [...pairs, ...added], { ...more, ...headers })
}

export async function requestToken(issuer: string, client: Client, form: Form): Promise<Answer> {
  return await postAs(client, await endpointOf(issuer, 'token_endpoint'), form)
}

/** What a token answer has for a client. RFC 6749 §5.1 */
export interface Tokens {
  readonly accessToken: string
  readonly refreshToken: string | undefined
  readonly scope: string | undefined
  readonly expiresIn: number | undefined
}

/** The tokens of an answer; throws what came instead. */
export function tokensOf(answer: Answer): Tokens {
  const { access_token, refresh_token, scope, expires_in } = jsonOf(answer)
  if (answer.status !== 200 || typeof access_token !== 'string') {
    throw new Error(`the token endpoint answered ${answer.status}: ${answer.text.slice(0, 300)}`)
  }
  return {
    accessToken: access_token,
    refreshToken: typeof refresh_token === 'string' ? refresh_token : undefined,
    scope: typeof scope === 'string' ? scope : undefined,
    expiresIn: typeof expires_in === 'number' ? expires_in : undefined,
  }
}

/** A token for the client itself. */
export async function clientToken(
  issuer: string,
  client: Client,
  form: Readonly<Record<string, string>> = {},
): Promise<Tokens> {
  return tokensOf(await requestToken(issuer, client, { grant_type: 'client_credentials', ...form }))
}

function formEncode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}
