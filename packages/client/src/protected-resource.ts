import { type JsonObject, parseScope, Refusal, readString, readStrings, resourceKey } from '@arctos/core'
import { askServer, errorOfAnswer, readJson } from './answer.ts'
import { type ChallengedResponse, parseChallenges } from './challenges.ts'
import { completeEnvironment, type Environment, type EnvironmentOptions } from './environment.ts'
import { ClientError, Unavailable } from './errors.ts'
import { createMetadataSource } from './metadata.ts'
import { readResourceOption } from './options.ts'
import { isIssuer, isSecureUrl } from './secure-url.ts'

/** Authorization servers that this program trusts: their issuers, or who decides about each that a resource names. */
export type AllowedIssuers = readonly string[] | ((issuer: string, resource: string) => boolean | Promise<boolean>)

export interface DiscoveryOptions extends EnvironmentOptions {
  /**
   * A resource can name any authorization server, also one that is after the user's password; so the first one that is allowed
   * here is taken, and none without (RFC 9728 §7.6).
   */
  readonly allowIssuer: AllowedIssuers
  /** The 401 that the resource answered with; without it, it is asked once by GET, without any credential. */
  readonly response?: ChallengedResponse
  /** Longest wait for one answer. Default 3 s. */
  readonly timeoutMs?: number
}

/** What is known of a protected resource, once everything about it has been checked. */
export interface ProtectedResource {
  /** Its identifier as its metadata spells it, for the `resource` of a login or a fetch. */
  readonly resource: string
  /** The authorization server to make an `oauthClient` for. Its metadata has been read, and names it. */
  readonly issuer: string
  /** What its challenge asked for (RFC 6750 §3); `undefined` where that says nothing. */
  readonly scope: string | undefined
  /** `undefined` where the metadata does not say; not all there are, where it does. */
  readonly scopesSupported: readonly string[] | undefined
}

const defaultTimeoutMs = 3_000
const issuerLimit = 20

/**
 * Finds out how to get tokens for a resource: by the metadata that its 401 points to, or that lies at its well-known place (RFC 9728
 * §3.1, RFC 9728 §5.1). Nothing that is sent has a credential in it, no redirect is followed, and all of it is https or loopback.
 *
 * Throws `resource_mismatch` where the metadata is that of another resource, `issuer_not_allowed` where it names no authorization
 * server that is, and what reading metadata throws: `metadata_refused`, `issuer_mismatch`, `answer_refused`, `unavailable`.
 */
export async function discoverResource(url: string, options: DiscoveryOptions): Promise<ProtectedResource> {
  const { allowIssuer, timeoutMs = defaultTimeoutMs } = options
  const resource = readResourceOption(url)
  const environment = completeEnvironment(options)
  const challenge = readPointer(options.response ?? (await askForChallenge(environment, resource, timeoutMs)))
  const document = await readDocument(environment, resource, challenge.metadataUrl, timeoutMs)

  const named = readString(document, 'resource')
  // As it stands, or a resource could have tokens made that another one takes (RFC 9728 §3.3, RFC 9728 §7.3(b)).
  if (named === undefined || resourceKey(named) !== resourceKey(resource)) throw mismatch(resource, named)
  const methods = readStrings(document, 'bearer_methods_supported')
  if (methods !== undefined && !methods.includes('header')) {
    throw new ClientError('metadata_refused', `${resource} takes no token in a header`)
  }
  const issuer = await selectIssuer(document, resource, allowIssuer)
  await createMetadataSource(issuer, environment, timeoutMs)()
  const scopesSupported = readStrings(document, 'scopes_supported')
  return { resource: named, issuer, scope: challenge.scope, scopesSupported }
}

/** The well-known part goes between host and path; a path that is only a slash counts as none. RFC 9728 §3.1 */
export function resourceMetadataUrl(resource: string): string {
  const { origin, pathname } = new URL(resource)
  return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}`
}

/** One request for nothing but the challenge: what else it answers is not read. */
async function askForChallenge(
  { fetch }: Environment,
  resource: string,
  timeoutMs: number,
): Promise<ChallengedResponse | undefined> {
  try {
    const signal = AbortSignal.timeout(timeoutMs)
    const response = await fetch(resource, { redirect: 'manual', signal })
    await response.body?.cancel()
    return response
  } catch {
    // A resource that does not answer this may still have its metadata where it belongs.
    return undefined
  }
}

interface Pointer {
  readonly metadataUrl: string | undefined
  readonly scope: string | undefined
}

/** What a 401 says about how to get in. RFC 9728 §5.1 */
function readPointer(response: ChallengedResponse | undefined): Pointer {
  const header = response?.status === 401 ? response.headers.get('www-authenticate') : null
  const challenges = header === null ? [] : parseChallenges(header)
  const bearer = challenges.filter(({ scheme }) => scheme === 'bearer')
  const pointing = bearer.find(({ parameters }) => parameters.has('resource_metadata')) ?? bearer[0]
  return {
    metadataUrl: pointing?.parameters.get('resource_metadata'),
    scope: readScope(pointing?.parameters.get('scope')),
  }
}

function readScope(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  try {
    parseScope(text)
    return text
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

async function readDocument(
  environment: Environment,
  resource: string,
  pointed: string | undefined,
  timeoutMs: number,
): Promise<JsonObject> {
  // On the resource's own origin, or any resource could have us call whom it likes from where we stand; where it points elsewhere,
  // the well-known place is asked.
  const isOwn = pointed !== undefined && isSecureUrl(pointed) && new URL(pointed).origin === new URL(resource).origin
  const url = isOwn ? pointed : resourceMetadataUrl(resource)
  const answer = await askServer(environment, url, { headers: { accept: 'application/json' } }, timeoutMs)
  if (answer.status !== 200) {
    const error = errorOfAnswer(answer, url, [], environment.nowSeconds())
    if (error instanceof Unavailable) throw error
    throw new ClientError('metadata_refused', `${url} answered ${answer.status}: ${resource} has no metadata`)
  }
  const document = readJson(answer)
  if (document === undefined) {
    throw new ClientError('answer_refused', `the metadata of ${resource} is not a JSON object sent as application/json`)
  }
  return document
}

/** The first authorization server that is allowed. Those that cannot be one are not even asked about. */
async function selectIssuer(document: JsonObject, resource: string, allowed: AllowedIssuers): Promise<string> {
  const issuers = (readStrings(document, 'authorization_servers') ?? []).slice(0, issuerLimit).filter(isIssuer)
  const isRemote = resource.startsWith('https:')
  for (const issuer of issuers) {
    if (isRemote && issuer.startsWith('http:')) continue
    const isAllowed = typeof allowed === 'function' ? await allowed(issuer, resource) : allowed.includes(issuer)
    if (isAllowed) return issuer
  }
  const named = issuers.length === 0 ? 'none' : issuers.slice(0, 5).join(', ')
  throw new ClientError('issuer_not_allowed', `${resource} names no authorization server that is allowed: ${named}`)
}

function mismatch(resource: string, named: string | undefined): ClientError {
  const other = named !== undefined && isSecureUrl(named) ? named : 'no usable resource'
  return new ClientError('resource_mismatch', `the metadata for ${resource} is that of ${other}; it was not used`)
}
