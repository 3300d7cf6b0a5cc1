import { isResourceIdentifier, isScopeWord, type ReceiptContent, Secret } from '@arctos/core'
import type { Fetch } from './outbound-fetch.ts'
import type { RefusalReport } from './refusal-report.ts'

/** The scope words of a resource, each with a sentence that says what it allows. */
export type ScopeTexts = Readonly<Record<string, string>>

/** One description of a protected resource. Everything else (checks, challenges, metadata) follows from it. */
export interface ResourceServerOptions<Scopes extends ScopeTexts> {
  /** The resource identifier (RFC 8707 §2): what `aud` of a token must contain, compared as bytes. */
  readonly resource: string
  /** The issuers whose tokens are taken; a token never adds one. */
  readonly authorizationServers: readonly string[]
  /** The scope words that policies may use; published as `scopes_supported`. */
  readonly scopes: Scopes
  /** Where the keys of the only authorization server are; by default its metadata says so (RFC 8414). */
  readonly jwksUri?: string | undefined
  /** `JWT` takes also tokens of issuers that do not mark access tokens; the claims then have to rule out an ID token. */
  readonly typ?: 'at+jwt' | 'JWT' | undefined
  /** How far the clocks of issuer and resource server may be apart: 0 to 60, by default 10. */
  readonly clockToleranceSeconds?: number | undefined
  /** Asks the issuer about tokens that are not JWTs (RFC 7662). Without it they are refused. */
  readonly introspection?: IntrospectionOptions | undefined
  /** How requests to the authorization server are made; by default the `fetch` of the platform. */
  readonly fetch?: Fetch | undefined
  /** Epoch milliseconds. Where given, it also measures durations, so that a test can let time pass. */
  readonly now?: (() => number) | undefined
  /** Seals receipts, so that any node with the key can read them. Without it the guard remembers the last 1,000. */
  readonly receipts?: { readonly seal: (content: ReceiptContent) => string | undefined } | undefined
  /** Told of every refusal as it happens. What it throws, `authorize` rejects with. */
  readonly onRefusal?: ((refusal: RefusalReport) => void) | undefined
  /** Takes one JSON line for each refusal; by default standard error, unless receipts are sealed. */
  readonly journal?: ((line: string) => void) | undefined
}

/** The credential of this resource server at its authorization server (RFC 7662 §2.1). */
export interface IntrospectionOptions {
  readonly clientId: string
  readonly clientSecret: Secret | string
  /** By default `introspection_endpoint` of the issuer's metadata. */
  readonly endpoint?: string | undefined
  /** Who issues the opaque tokens; needed only where there are several authorization servers. */
  readonly issuer?: string | undefined
  /** How long "active" is believed without asking again: 0 to 60, by default 0. Never beyond the token's own end. */
  readonly maxAgeSeconds?: number | undefined
}

/** The options, checked and with their defaults. */
export interface Configuration {
  readonly resource: string
  readonly issuers: readonly string[]
  readonly scopes: readonly string[]
  readonly jwksUri: string | undefined
  readonly allowUntyped: boolean
  readonly clockToleranceSeconds: number
  readonly introspection: IntrospectionConfiguration | undefined
  readonly fetch: Fetch
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Milliseconds of a clock that never steps, for durations. */
  readonly elapsed: () => number
}

export interface IntrospectionConfiguration {
  readonly clientId: string
  readonly clientSecret: Secret
  readonly endpoint: string | undefined
  readonly issuer: string
  readonly maxAgeSeconds: number
}

/** Throws a TypeError that names the option, what it is and what is allowed: an unsafe guard must not start. */
export function readConfiguration<Scopes extends ScopeTexts>(options: ResourceServerOptions<Scopes>): Configuration {
  const { resource, authorizationServers: issuers, jwksUri, typ = 'at+jwt', clockToleranceSeconds = 10 } = options
  const isResource = typeof resource === 'string' && isResourceIdentifier(resource)
  check(isResource, 'resource', resource, 'an absolute http(s) URI without query or fragment')
  check(Array.isArray(issuers) && issuers.length > 0, 'authorizationServers', issuers, 'at least one issuer identifier')
  for (const issuer of issuers) {
    check(isTrustworthyUrl(issuer) && !/[?#]/.test(issuer), 'authorizationServers', issuer, `${urlRule}, no query`)
  }
  check(new Set(issuers).size === issuers.length, 'authorizationServers', issuers, 'each issuer once')
  const scopes = Object.keys(options.scopes ?? {})
  for (const word of scopes)
    check(isScopeWord(word), 'scopes', word, 'words of printable ASCII without space, " and \\')
  if (jwksUri !== undefined) {
    check(isTrustworthyUrl(jwksUri), 'jwksUri', jwksUri, urlRule)
    check(issuers.length === 1, 'jwksUri', jwksUri, 'set only where there is one authorization server')
  }
  check(typ === 'at+jwt' || typ === 'JWT', 'typ', typ, 'at+jwt or JWT')
  checkSeconds('clockToleranceSeconds', clockToleranceSeconds)
  return {
    resource,
    issuers: [...issuers],
    scopes,
    jwksUri,
    allowUntyped: typ === 'JWT',
    clockToleranceSeconds,
    introspection: options.introspection && readIntrospection(options.introspection, issuers),
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    now: options.now ?? Date.now,
    elapsed: options.now ?? (() => performance.now()),
  }
}

function readIntrospection(options: IntrospectionOptions, issuers: readonly string[]): IntrospectionConfiguration {
  const { clientId, clientSecret, endpoint, issuer = issuers.length === 1 ? issuers[0] : undefined } = options
  const { maxAgeSeconds = 0 } = options
  check(
    typeof clientId === 'string' && clientId !== '',
    'introspection.clientId',
    clientId,
    'the id of this resource server',
  )
  const secret = typeof clientSecret === 'string' ? new Secret(clientSecret) : clientSecret
  check(secret instanceof Secret && secret.reveal() !== '', 'introspection.clientSecret', '(hidden)', 'its secret')
  if (endpoint !== undefined) check(isTrustworthyUrl(endpoint), 'introspection.endpoint', endpoint, urlRule)
  if (issuer === undefined || !issuers.includes(issuer)) {
    throw mistake('introspection.issuer', issuer, 'the one of authorizationServers that issues opaque tokens')
  }
  checkSeconds('introspection.maxAgeSeconds', maxAgeSeconds)
  return { clientId, clientSecret: secret, endpoint, issuer, maxAgeSeconds }
}

const urlRule = 'an https URL, or an http URL of this machine (localhost, 127.0.0.1, [::1])'

/** Whether keys and answers from this address can be believed: TLS, or a connection that stays on the machine. */
export function isTrustworthyUrl(text: string): boolean {
  if (typeof text !== 'string' || !URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  if (username !== '' || password !== '') return false
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback)
}

function checkSeconds(key: string, value: number): void {
  check(Number.isFinite(value) && value >= 0 && value <= 60, key, value, 'a number of seconds from 0 to 60')
}

function check(holds: boolean, key: string, value: unknown, allowed: string): void {
  if (!holds) throw mistake(key, value, allowed)
}

function mistake(key: string, value: unknown, allowed: string): TypeError {
  // User information in a URL may be a password.
  const shown = typeof value === 'string' && value.includes('@') ? '(hidden)' : JSON.stringify(value)
  return new TypeError(`resourceServer: ${key} is ${shown}; allowed is ${allowed}`)
}
