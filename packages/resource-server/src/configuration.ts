import { isResourceIdentifier, isScopeWord, type ReceiptContent, type SharedSecretKey } from '@arctos/core'
import { type FeedConfiguration, type RevocationFeedOptions, readFeeds } from './feed/options.ts'
import {
  type IntrospectionConfiguration,
  type IntrospectionOptions,
  readIntrospection,
} from './introspection/options.ts'
import {
  type AuthorizationServerEntry,
  type AuthorizationServersOption,
  readAuthorizationServers,
  readSharedSecrets,
  type SharedSecretOption,
} from './keys/authorization-servers.ts'
import { check, isTrustworthyUrl, mistake, urlRule } from './option-check.ts'
import type { Fetch } from './outbound-fetch.ts'
import { createGuardMetrics, type GuardMetrics } from './reports/metrics.ts'
import type { Meter } from './reports/opentelemetry.ts'
import type { RefusalReport } from './reports/refusal-report.ts'
import type { Transports } from './request/credentials.ts'
import { type Experiments, readExperiments, type StatusListConfiguration } from './status-lists/options.ts'

/** The scope words of a resource, each with a sentence that says what it allows. */
export type ScopeTexts = Readonly<Record<string, string>>

/** One description of a protected resource. Everything else (checks, challenges, metadata) follows from it. */
export interface ResourceServerOptions<Scopes extends ScopeTexts> {
  /** The resource identifier (RFC 8707 §2): what `aud` of a token must contain, compared as bytes. */
  readonly resource: string
  /** Narrower identifiers within the resource, which policies may ask `aud` to contain besides `resource`. */
  readonly audiences?: readonly string[] | undefined
  /** The issuers whose tokens are taken, as a list or as a function of the request; a token never adds one. */
  readonly authorizationServers: AuthorizationServersOption
  /** The scope words that policies may use; published as `scopes_supported`. */
  readonly scopes: Scopes
  /** Where the keys of the only authorization server are; by default its metadata says so (RFC 8414). */
  readonly jwksUri?: string | undefined
  /** How old keys may become while their issuer fails to answer: 60 to 86,400, by default 3,600. */
  readonly staleIfErrorSeconds?: number | undefined
  /** Takes tokens under HS256, too, with a secret that only the issuer and this resource know. Never from a key set. */
  readonly sharedSecret?: SharedSecretOption | readonly SharedSecretOption[] | undefined
  /** `JWT` takes also tokens of issuers that do not mark access tokens; the claims then have to rule out an ID token. */
  readonly typ?: 'at+jwt' | 'JWT' | undefined
  /** How far the clocks of issuer and resource server may be apart: 0 to 60, by default 10. */
  readonly clockToleranceSeconds?: number | undefined
  /**
   * Where a token is also looked for, beside the Authorization header: in a form body, in the query. Both are off, because both are
   * written down where headers are not; they are for clients that cannot set a header. RFC 6750 §2.2, §2.3
   */
  readonly transports?: { readonly form?: boolean | undefined; readonly query?: boolean | undefined } | undefined
  /**
   * How many verified JWTs are remembered, by their hash, so that one that comes again needs no signature check: at least `size`,
   * at most twice as many. By default 10,000; 0 remembers none. Expiry, key and revocation are looked at every time.
   */
  readonly verifiedTokens?: { readonly size: number } | undefined
  /** Longer lives no token of these issuers: what was revoked is forgotten after it. By default 86,400, at most a year. */
  readonly longestTokenLifeSeconds?: number | undefined
  /** Asks the issuer about tokens that are not JWTs (RFC 7662). Without it they are refused. */
  readonly introspection?: IntrospectionOptions | undefined
  /** Who tells this guard what was taken back, as it happens: one feed, or one for each issuer (OpenID Shared Signals). */
  readonly revocations?: RevocationFeedOptions | readonly RevocationFeedOptions[] | undefined
  /** Drafts that are implemented, each by its number; all of them are off by default, and change with their drafts. */
  readonly experimental?: Experiments | undefined
  /** How requests to the authorization server are made; by default the `fetch` of the platform. */
  readonly fetch?: Fetch | undefined
  /** Epoch milliseconds. Where given, it also measures durations, so that a test can let time pass. */
  readonly now?: (() => number) | undefined
  /** How to let milliseconds pass; only tests give it, where `now` is their own. */
  readonly wait?: ((milliseconds: number) => Promise<void>) | undefined
  /** Seals receipts, so that any node with the key can read them. Without it the guard remembers the last 1,000. */
  readonly receipts?: { readonly seal: (content: ReceiptContent) => string | undefined } | undefined
  /** Told of every refusal as it happens. What it throws, `authorize` rejects with. */
  readonly onRefusal?: ((refusal: RefusalReport) => void) | undefined
  /** Takes one JSON line for each refusal; by default standard error, unless receipts are sealed. */
  readonly journal?: ((line: string) => void) | undefined
  /** Takes the figures of `metrics()`, too: a meter of OpenTelemetry, made after its SDK was started. */
  readonly meter?: Meter | undefined
}

/** The options, checked and with their defaults. */
export interface Configuration {
  readonly resource: string
  readonly audiences: readonly string[]
  readonly authorizationServers: readonly AuthorizationServerEntry[] | RequestFunction
  readonly sharedSecrets: readonly SharedSecretKey[]
  readonly staleIfErrorSeconds: number
  readonly scopes: readonly string[]
  readonly allowUntyped: boolean
  readonly transports: Transports
  readonly clockToleranceSeconds: number
  readonly verifiedTokens: number
  readonly longestTokenLifeSeconds: number
  readonly introspection: IntrospectionConfiguration | undefined
  readonly feeds: readonly FeedConfiguration[]
  readonly statusLists: StatusListConfiguration | undefined
  readonly fetch: Fetch
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Milliseconds of a clock that never steps, for durations. */
  readonly elapsed: () => number
  readonly wait: (milliseconds: number) => Promise<void>
  /** The same for what goes on behind the requests: it keeps no process running. */
  readonly pause: (milliseconds: number) => Promise<void>
  /** Where everybody counts. */
  readonly metrics: GuardMetrics
}

type RequestFunction = Extract<AuthorizationServersOption, (...arguments_: never) => unknown>

const optionNames: Readonly<Record<keyof ResourceServerOptions<ScopeTexts>, true>> = {
  resource: true,
  audiences: true,
  authorizationServers: true,
  scopes: true,
  jwksUri: true,
  staleIfErrorSeconds: true,
  sharedSecret: true,
  typ: true,
  clockToleranceSeconds: true,
  transports: true,
  verifiedTokens: true,
  longestTokenLifeSeconds: true,
  introspection: true,
  revocations: true,
  experimental: true,
  fetch: true,
  now: true,
  wait: true,
  receipts: true,
  onRefusal: true,
  journal: true,
  meter: true,
}

/** Throws a TypeError that names the option, what it is and what is allowed: an unsafe guard must not start. */
export function readConfiguration<Scopes extends ScopeTexts>(options: ResourceServerOptions<Scopes>): Configuration {
  // A name that is mistyped switches nothing on, and nobody would see it.
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(optionNames, name))
  if (unknown !== undefined) {
    throw new TypeError(`resourceServer: ${unknown} is no option; there are ${Object.keys(optionNames).join(', ')}`)
  }
  const { resource, typ = 'at+jwt', clockToleranceSeconds = 10, staleIfErrorSeconds = 3_600 } = options
  const isResource = typeof resource === 'string' && isResourceIdentifier(resource)
  check(isResource, 'resource', resource, 'an absolute http(s) URI without query or fragment')
  const audiences = readAudiences(options.audiences ?? [], resource)
  const authorizationServers = readTrusted(options)
  const issuers =
    typeof authorizationServers === 'function' ? undefined : authorizationServers.map(({ issuer }) => issuer)
  // Of a list the compiler would say so; to whoever has none, its indexes would become the scope words.
  check(!Array.isArray(options.scopes), 'scopes', options.scopes, "an object like { read: 'Read notes' }")
  const scopes = Object.keys(options.scopes ?? {})
  for (const word of scopes)
    check(isScopeWord(word), 'scopes', word, 'words of printable ASCII without space, " and \\')
  check(typ === 'at+jwt' || typ === 'JWT', 'typ', typ, 'at+jwt or JWT')
  checkSeconds('clockToleranceSeconds', clockToleranceSeconds)
  const { verifiedTokens: { size } = { size: 10_000 }, longestTokenLifeSeconds = 86_400 } = options
  const isSize = Number.isInteger(size) && size >= 0 && size <= 1_000_000
  check(isSize, 'verifiedTokens.size', size, 'a whole number from 0 to 1000000')
  const isLife = longestTokenLifeSeconds >= 60 && longestTokenLifeSeconds <= 31_536_000
  check(isLife, 'longestTokenLifeSeconds', longestTokenLifeSeconds, 'a number of seconds from 60 to 31536000')
  const isAge = Number.isFinite(staleIfErrorSeconds) && staleIfErrorSeconds >= 60 && staleIfErrorSeconds <= 86_400
  check(isAge, 'staleIfErrorSeconds', staleIfErrorSeconds, 'a number of seconds from 60 to 86400')
  const { meter, now = Date.now, now: elapsed = () => performance.now() } = options
  const isMeter = meter === undefined || typeof meter.createObservableCounter === 'function'
  check(isMeter, 'meter', typeof meter, 'a meter of @opentelemetry/api')
  const introspection = options.introspection && readIntrospection(options.introspection, issuers)
  return {
    resource,
    audiences,
    authorizationServers,
    sharedSecrets: readSharedSecrets(options.sharedSecret, issuers, resource),
    staleIfErrorSeconds,
    scopes,
    allowUntyped: typ === 'JWT',
    transports: readTransports(options.transports),
    clockToleranceSeconds,
    verifiedTokens: size,
    longestTokenLifeSeconds,
    introspection,
    feeds: readFeeds(options.revocations, resource, issuers, introspection?.issuer),
    statusLists: readExperiments(options.experimental),
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    now,
    elapsed,
    wait: options.wait ?? ((milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))),
    pause: options.wait ?? ((milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds).unref())),
    metrics: createGuardMetrics({ issuers: issuers ?? [], now, elapsed }),
  }
}

function readTrusted<Scopes extends ScopeTexts>({
  authorizationServers: option,
  jwksUri,
}: ResourceServerOptions<Scopes>): Configuration['authorizationServers'] {
  const entries = typeof option === 'function' ? [] : readAuthorizationServers(option)
  if (typeof option !== 'function') {
    check(entries.length > 0, 'authorizationServers', option, 'at least one issuer identifier')
  }
  const [only, ...others] = entries
  if (jwksUri === undefined) return typeof option === 'function' ? option : entries
  check(isTrustworthyUrl(jwksUri), 'jwksUri', jwksUri, urlRule)
  if (only === undefined || only.jwksUri !== undefined || others.length > 0) {
    throw mistake('jwksUri', jwksUri, 'set only where there is one authorization server, without an address of its own')
  }
  return [{ ...only, jwksUri }]
}

function readTransports(transports: ResourceServerOptions<ScopeTexts>['transports']): Transports {
  const { form = false, query = false } = transports ?? {}
  check(typeof form === 'boolean', 'transports.form', form, 'true or false')
  check(typeof query === 'boolean', 'transports.query', query, 'true or false')
  return { form, query }
}

function readAudiences(audiences: readonly string[], resource: string): readonly string[] {
  check(Array.isArray(audiences), 'audiences', audiences, 'a list of identifiers')
  for (const audience of audiences) {
    const isOther = typeof audience === 'string' && isResourceIdentifier(audience) && audience !== resource
    check(isOther, 'audiences', audience, 'absolute http(s) URIs without query or fragment, other than resource')
  }
  return [...audiences]
}

function checkSeconds(key: string, value: number): void {
  check(Number.isFinite(value) && value >= 0 && value <= 60, key, value, 'a number of seconds from 0 to 60')
}
