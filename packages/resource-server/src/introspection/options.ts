import type { Secret } from '@arctos/core'
import { type PrivateJwk, readCredential, type ServerCredential } from '../credential.ts'
import { check, isTrustworthyUrl, mistake, urlRule } from '../option-check.ts'

/** How this resource server asks its authorization server about tokens (RFC 7662). */
export interface IntrospectionOptions {
  /** The id of this resource server at the authorization server (RFC 7662 §2.1). */
  readonly clientId: string
  /** Its secret; or else `clientKey`. */
  readonly clientSecret?: Secret | string | undefined
  /** A private JWK with `kid` and `alg`: then assertions prove who asks, and no secret is shared (RFC 7523 §2.2). */
  readonly clientKey?: PrivateJwk | undefined
  /** By default `introspection_endpoint` of the issuer's metadata. */
  readonly endpoint?: string | undefined
  /** Who issues the opaque tokens; needed only where there are several authorization servers. */
  readonly issuer?: string | undefined
  /** How long "active" is believed without asking again: 0 to 60, by default 0. Never beyond the token's own end. */
  readonly maxAgeSeconds?: number | undefined
  /** How long "not active" is believed without asking again: 0 to 60, by default 5. */
  readonly inactiveSeconds?: number | undefined
  /**
   * How long "active" is believed while the issuer does not answer: 0 to 3,600, by default 0, when every such request is answered
   * 503. A token that is taken back during an outage works for so long. Never beyond the token's own end, and never where a policy
   * wants a fresh answer.
   */
  readonly staleSeconds?: number | undefined
  /** Whether answers have to be signed with a key of the issuer (RFC 9701); others are then no answers. */
  readonly signed?: boolean | undefined
}

export interface IntrospectionConfiguration {
  readonly clientId: string
  readonly credential: ServerCredential
  readonly endpoint: string | undefined
  readonly issuer: string
  readonly maxAgeSeconds: number
  readonly inactiveSeconds: number
  readonly staleSeconds: number
  readonly signed: boolean
}

/** Throws a TypeError that names the option. @param issuers those of the configuration, `undefined` where a function tells them */
export function readIntrospection(
  options: IntrospectionOptions,
  issuers: readonly string[] | undefined,
): IntrospectionConfiguration {
  const { clientId, endpoint, issuer = issuers?.length === 1 ? issuers[0] : undefined } = options
  const { maxAgeSeconds = 0, inactiveSeconds = 5, staleSeconds = 0, signed = false } = options
  const isId = typeof clientId === 'string' && clientId !== ''
  check(isId, 'introspection.clientId', clientId, 'the id of this resource server')
  if (endpoint !== undefined) check(isTrustworthyUrl(endpoint), 'introspection.endpoint', endpoint, urlRule)
  if (!isTrustworthyUrl(issuer) || issuers?.includes(issuer) === false) {
    throw mistake('introspection.issuer', issuer, 'the one of authorizationServers that issues opaque tokens')
  }
  checkSeconds('maxAgeSeconds', maxAgeSeconds, 60)
  checkSeconds('inactiveSeconds', inactiveSeconds, 60)
  checkSeconds('staleSeconds', staleSeconds, 3_600)
  check(typeof signed === 'boolean', 'introspection.signed', signed, 'true or false')
  const isOne = (options.clientSecret === undefined) !== (options.clientKey === undefined)
  const shown = options.clientSecret === undefined ? undefined : '(hidden)'
  check(isOne, 'introspection.clientSecret', shown, 'its secret, or else introspection.clientKey')
  const credential = readCredential('introspection', options)
  return { clientId, credential, endpoint, issuer, maxAgeSeconds, inactiveSeconds, staleSeconds, signed }
}

function checkSeconds(name: string, value: number, limit: number): void {
  const isWithin = Number.isFinite(value) && value >= 0 && value <= limit
  check(isWithin, `introspection.${name}`, value, `a number of seconds from 0 to ${limit}`)
}
