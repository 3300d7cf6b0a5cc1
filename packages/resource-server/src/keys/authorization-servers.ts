import { importSharedSecret, isSharedSecretKey, Secret, type SharedSecretKey } from '@arctos/core'
import { check, isTrustworthyUrl, mistake, urlRule } from '../option-check.ts'
import type { GuardRequest } from '../request/guard-request.ts'

/** An issuer that is trusted, by its identifier alone or with the address of its keys. */
export type AuthorizationServerOption =
  | string
  | {
      readonly issuer: string
      /** Where its keys are; by default its metadata says so (RFC 8414). */
      readonly jwksUri?: string | undefined
    }

/**
 * Who is trusted: a list, or a function that says it for each request, for instance by the tenant that its host names. What
 * the function trusts must follow from what the sender cannot choose freely, and so never from the token.
 */
export type AuthorizationServersOption =
  | readonly AuthorizationServerOption[]
  | ((request: GuardRequest) => readonly AuthorizationServerOption[] | Promise<readonly AuthorizationServerOption[]>)

/** A secret that this resource shares with one authorization server, for access tokens under HS256. */
export interface SharedSecretOption {
  /** Who signs with it; needed only where there are several authorization servers. */
  readonly issuer?: string | undefined
  /** The `kid` of tokens under it. */
  readonly kid: string
  /** As the authorization server gave it, or base64url of 32 random bytes or more. */
  readonly secret: Secret | string
}

/** One checked entry of the list. */
export interface AuthorizationServerEntry {
  readonly issuer: string
  readonly jwksUri: string | undefined
}

const name = 'authorizationServers'
const entryLimit = 1_000

/** Reads a list of trusted issuers. Throws a TypeError for one that would not be safe. */
export function readAuthorizationServers(list: unknown): readonly AuthorizationServerEntry[] {
  if (!Array.isArray(list) || list.length > entryLimit) {
    throw mistake(name, Array.isArray(list) ? list.length : list, `a list of at most ${entryLimit} issuers`)
  }
  const entries = list.map(readEntry)
  const isUnique = new Set(entries.map(({ issuer }) => issuer)).size === entries.length
  check(isUnique, name, list, 'each issuer once')
  return entries
}

function readEntry(option: unknown): AuthorizationServerEntry {
  const { issuer, jwksUri } = typeof option === 'object' && option !== null ? (option as Members) : { issuer: option }
  if (!isTrustworthyUrl(issuer) || /[?#]/.test(issuer)) throw mistake(name, issuer, `${urlRule}, no query`)
  if (jwksUri !== undefined && !isTrustworthyUrl(jwksUri)) throw mistake(`${name}.jwksUri`, jwksUri, urlRule)
  return { issuer, jwksUri }
}

interface Members {
  readonly issuer?: unknown
  readonly jwksUri?: unknown
}

/**
 * Reads shared secrets, each bound to its issuer, this resource and its kid. Throws a TypeError for one that is too short, was made
 * up by a person, or is a public key. RFC 8725 §3.5
 *
 * @param issuers those of the list; `undefined` where a function says who is trusted
 */
export function readSharedSecrets(
  option: SharedSecretOption | readonly SharedSecretOption[] | undefined,
  issuers: readonly string[] | undefined,
  resource: string,
): readonly SharedSecretKey[] {
  const keys = [option ?? []].flat().map((each) => readSharedSecret(each, issuers, resource))
  const names = keys.map(({ owner, kid }) => `${owner} ${kid}`)
  check(new Set(names).size === names.length, 'sharedSecret.kid', keys[0]?.kid, 'another kid for each secret')
  return keys
}

function readSharedSecret(
  option: SharedSecretOption,
  issuers: readonly string[] | undefined,
  resource: string,
): SharedSecretKey {
  const { kid, secret, issuer = issuers?.length === 1 ? issuers[0] : undefined } = option
  if (!isTrustworthyUrl(issuer) || issuers?.includes(issuer) === false) {
    throw mistake('sharedSecret.issuer', issuer, 'the one of authorizationServers that signs with the secret')
  }
  check(typeof kid === 'string' && kid !== '' && kid.length <= 256, 'sharedSecret.kid', kid, 'its kid in tokens')
  const hidden = typeof secret === 'string' ? new Secret(secret) : secret
  const shown = secret === undefined ? undefined : '(hidden)'
  check(hidden instanceof Secret, 'sharedSecret.secret', shown, 'a text or a Secret')
  const key = importSharedSecret(hidden, { kid, owner: issuer, resource })
  if (isSharedSecretKey(key)) return key
  const rule = 'what the authorization server gave, or base64url of 32 random bytes or more'
  throw mistake('sharedSecret.secret', '(hidden)', `${rule}; ${key.why}`)
}
