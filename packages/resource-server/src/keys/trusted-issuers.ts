import {
  type AccessToken,
  type SharedSecretKey,
  type UnverifiedJws,
  type VerificationKey,
  verifySharedSecretJws,
  verifySignature,
} from '@arctos/core'
import type { Configuration } from '../configuration.ts'
import type { GuardRequest } from '../request/guard-request.ts'
import { type AuthorizationServerEntry, readAuthorizationServers } from './authorization-servers.ts'
import { createIssuerMetadata, type IssuerMetadata } from './issuer-metadata.ts'
import { createKeySource, type KeySource } from './key-source.ts'

/** What an access token can be signed with: a published key, or the secret that this resource shares with the issuer. */
export type AccessTokenKey = VerificationKey | SharedSecretKey

/** An issuer that is trusted: its metadata, and its keys, found by kid. */
export interface TrustedIssuer {
  readonly issuer: string
  readonly metadata: IssuerMetadata
  /** The key, if it can be had without waiting. The kid of a shared secret means that secret, whatever is published under it. */
  held(kid: string): AccessTokenKey | undefined
  /** A published key, asking the issuer where needed. Throws `keys.unavailable`. */
  find: KeySource['find']
  rejection: KeySource['rejection']
  /** Takes note of the key that an access rests on. */
  signed(access: AccessToken, kid: string): void
  reload: KeySource['reload']
}

/** The issuers whose tokens one request may carry, by identifier. */
export type TrustedIssuers = ReadonlyMap<string, TrustedIssuer>

/** Who is trusted, for an explanation: as many as fit, for whoever shows a stranger's token has it written down. */
export function namesOf(issuers: TrustedIssuers): string {
  return [...issuers.keys()].join(' ').slice(0, 200)
}

export interface IssuerRegistry {
  /**
   * Whose tokens this request may carry. The only place that says so: everything about a token, remembered decisions too, starts from
   * what is returned here. Rejects with a TypeError where the configured function returns what would not be safe.
   *
   * @param request `undefined` where there is none; then only a list can tell
   */
  issuersOf(request: GuardRequest | undefined): TrustedIssuers | Promise<TrustedIssuers>
  /** An issuer that the configuration names, to be asked about tokens. */
  issuerNamed(issuer: string): TrustedIssuer
  /** Takes no key of this name of the issuer any more, whatever it publishes: it was withdrawn. */
  withdrawKey(issuer: string, kid: string): void
  /** Whether the key that an access rests on was withdrawn. */
  isWithdrawn(access: AccessToken): boolean
  /** Loads the keys of one issuer now, wherever they are. Rejects with a refusal where it does not answer. */
  reloadKeysOf(issuer: string): Promise<void>
  /** Loads the keys of every issuer in use now. Rejects with a refusal where one does not answer. */
  reload(): Promise<void>
}

/** So many issuers keep their keys at a time; of a function's, the one that was not used for longest goes first. */
export const issuerLimit = 1_000

type Ports = Pick<
  Configuration,
  'authorizationServers' | 'sharedSecrets' | 'staleIfErrorSeconds' | 'fetch' | 'elapsed' | 'wait' | 'metrics'
>

/** Keys are kept by issuer and address: two tenants that name other addresses for one issuer share nothing. */
export function createIssuerRegistry(ports: Ports): IssuerRegistry {
  const { authorizationServers } = ports
  const known = new Map<string, TrustedIssuer>()
  const withdrawn = new Map<string, Set<string>>()
  /** The key of each access, for whatever outlives its request. */
  const kids = new WeakMap<AccessToken, string>()
  const withdrawnOf = (issuer: string): Set<string> => {
    const kids = withdrawn.get(issuer) ?? new Set()
    withdrawn.set(issuer, kids)
    return kids
  }

  const issuerOf = (entry: AuthorizationServerEntry): TrustedIssuer => {
    const name = `${entry.issuer} ${entry.jwksUri ?? ''}`
    const found = known.get(name) ?? createTrustedIssuer(entry, ports, withdrawnOf(entry.issuer), kids)
    // Last in the map is what was used last.
    known.delete(name)
    known.set(name, found)
    const [oldest] = known.keys()
    if (known.size > issuerLimit && oldest !== undefined) known.delete(oldest)
    return found
  }
  const trust = (entries: readonly AuthorizationServerEntry[]): TrustedIssuers =>
    new Map(entries.map((entry) => [entry.issuer, issuerOf(entry)]))

  const listed = typeof authorizationServers === 'function' ? undefined : trust(authorizationServers)
  const issuersOf = (request: GuardRequest | undefined): TrustedIssuers | Promise<TrustedIssuers> => {
    if (typeof authorizationServers !== 'function') return listed ?? new Map()
    if (request === undefined)
      throw new TypeError('authorizationServers is a function: give the request, not the token')
    const said: unknown = authorizationServers(request)
    if (Array.isArray(said)) return trust(readAuthorizationServers(said))
    return Promise.resolve(said).then((list) => trust(readAuthorizationServers(list)))
  }

  return {
    issuersOf,
    issuerNamed: (issuer) =>
      listed?.get(issuer) ?? createTrustedIssuer({ issuer, jwksUri: undefined }, ports, withdrawnOf(issuer), kids),
    withdrawKey: (issuer, kid) => void withdrawnOf(issuer).add(kid),
    isWithdrawn(access) {
      const kid = kids.get(access)
      return kid !== undefined && withdrawn.get(access.issuer)?.has(kid) === true
    },
    async reloadKeysOf(issuer) {
      await Promise.all([...known.values()].filter((each) => each.issuer === issuer).map((each) => each.reload()))
    },
    async reload() {
      await Promise.all([...known.values()].map((issuer) => issuer.reload()))
    },
  }
}

/** @param withdrawn names of keys that are not taken any more; looked at every time, and hardly ever any */
function createTrustedIssuer(
  { issuer, jwksUri }: AuthorizationServerEntry,
  ports: Ports,
  withdrawn: ReadonlySet<string>,
  kids: WeakMap<AccessToken, string>,
): TrustedIssuer {
  const { elapsed, wait, staleIfErrorSeconds } = ports
  const metrics = ports.metrics.ofIssuer(issuer)
  const fetch = metrics.watch(ports.fetch)
  const metadata = createIssuerMetadata(issuer, fetch, elapsed)
  const secrets = new Map(ports.sharedSecrets.filter(({ owner }) => owner === issuer).map((key) => [key.kid, key]))
  const keys = createKeySource({
    issuer,
    locate: jwksUri === undefined ? () => metadata.locate('jwks_uri') : async () => ({ url: jwksUri }),
    doubt: metadata.doubt,
    fetch,
    elapsed,
    wait,
    staleIfErrorMs: staleIfErrorSeconds * 1_000,
    metrics,
  })
  const held = secrets.size === 0 ? keys.held : (kid: string) => secrets.get(kid) ?? keys.held(kid)
  return {
    issuer,
    metadata,
    held: (kid) => (withdrawn.size > 0 && withdrawn.has(kid) ? undefined : held(kid)),
    find: async (kid) => (withdrawn.has(kid) ? undefined : keys.find(kid)),
    rejection: keys.rejection,
    signed: (access, kid) => void kids.set(access, kid),
    reload: keys.reload,
  }
}

/** Checks a signature with the key that its token named. Throws `token.algorithm` or `token.signature`. RFC 8725 §3.1 */
export function verifyAccessTokenSignature(jws: UnverifiedJws, key: AccessTokenKey): void {
  if ('secret' in key) verifySharedSecretJws(jws, key)
  else verifySignature(jws, key)
}
