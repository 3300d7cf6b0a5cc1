import { type JsonObject, readString, readStrings } from '@arctos/core'
import { askServer, errorOfAnswer, readJson } from './answer.ts'
import type { Environment } from './environment.ts'
import { ClientError, Unavailable } from './errors.ts'
import { isSecureUrl } from './secure-url.ts'

/** What the client needs to know of an authorization server (RFC 8414 §2). Endpoint URLs have been found safe to use. */
export interface ServerMetadata {
  readonly issuer: string
  readonly authorizationEndpoint: string | undefined
  readonly tokenEndpoint: string | undefined
  readonly revocationEndpoint: string | undefined
  /** Where a device without a browser begins (RFC 8628 §4). */
  readonly deviceAuthorizationEndpoint: string | undefined
  /** Whether the server promises `iss` in authorization responses (RFC 9207 §3). */
  readonly sendsIssuer: boolean
  /** `undefined` where the server does not say. */
  readonly codeChallengeMethods: readonly string[] | undefined
}

const lifetimeSeconds = 3_600
const defaultTimeoutMs = 3_000

/**
 * The metadata of one issuer, read at the first need and again after an hour. Calls that come together share one reading. A
 * failure is kept for nobody: the next call tries again, and metadata once read serves on while the server cannot be reached.
 */
export function createMetadataSource(
  issuer: string,
  environment: Environment,
  timeoutMs: number = defaultTimeoutMs,
): () => Promise<ServerMetadata> {
  let known: { readonly metadata: ServerMetadata; readonly readAt: number } | undefined
  let reading: Promise<ServerMetadata> | undefined

  const read = async (): Promise<ServerMetadata> => {
    try {
      const metadata = await discover(issuer, environment, timeoutMs)
      known = { metadata, readAt: environment.nowSeconds() }
      return metadata
    } catch (error) {
      if (known !== undefined && error instanceof Unavailable) return known.metadata
      throw error
    } finally {
      reading = undefined
    }
  }

  return async () => {
    if (known !== undefined && environment.nowSeconds() - known.readAt < lifetimeSeconds) return known.metadata
    reading ??= read()
    return await reading
  }
}

/** Where an issuer's metadata may lie, in the order of asking (RFC 8414 §3.1, RFC 8414 §5). */
export function metadataUrls(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  const urls = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ]
  return [...new Set(urls)]
}

async function discover(issuer: string, environment: Environment, timeoutMs: number): Promise<ServerMetadata> {
  const headers = { accept: 'application/json' }
  let refusal: ClientError | undefined
  for (const url of metadataUrls(issuer)) {
    const answer = await askServer(environment, url, { headers }, timeoutMs)
    if (answer.status === 200) return readMetadata(readJson(answer), issuer)
    const error = errorOfAnswer(answer, url, [], environment.nowSeconds())
    // A server in trouble may well have the document; only a plain "not here" leads to the next place.
    if (error instanceof Unavailable) throw error
    refusal ??= new ClientError('metadata_refused', `${url} answered ${answer.status}`)
  }
  throw refusal ?? new ClientError('metadata_refused', `${issuer} has no metadata`)
}

function readMetadata(document: JsonObject | undefined, issuer: string): ServerMetadata {
  if (document === undefined) {
    throw new ClientError('answer_refused', `the metadata of ${issuer} is not a JSON object sent as application/json`)
  }
  // Compared as it stands: a server that names another issuer could have its answers taken for the other's. RFC 8414 §3.3
  if (document['issuer'] !== issuer) {
    throw new ClientError('issuer_mismatch', `the metadata of ${issuer} names another issuer`)
  }
  return {
    issuer,
    authorizationEndpoint: readEndpoint(document, 'authorization_endpoint', issuer),
    tokenEndpoint: readEndpoint(document, 'token_endpoint', issuer),
    revocationEndpoint: readEndpoint(document, 'revocation_endpoint', issuer),
    deviceAuthorizationEndpoint: readEndpoint(document, 'device_authorization_endpoint', issuer),
    sendsIssuer: document['authorization_response_iss_parameter_supported'] === true,
    codeChallengeMethods: readStrings(document, 'code_challenge_methods_supported'),
  }
}

// What we send: an endpoint whose own query already has one of these would make it appear twice (RFC 6749 §3.1, RFC 6749 §3.2).
const ourParameters =
  /[?&](response_type|client_id|redirect_uri|state|scope|resource|code_challenge|code_challenge_method|grant_type|code|code_verifier|refresh_token|client_secret|client_assertion|client_assertion_type|token|token_type_hint|device_code|acr_values|max_age)(=|&|$)/

/** An endpoint, or `undefined` where the server has none. One that is not safe to use spoils the whole document. */
function readEndpoint(document: JsonObject, name: string, issuer: string): string | undefined {
  if (document[name] === undefined) return undefined
  const url = readString(document, name)
  const downgraded = issuer.startsWith('https:') && url?.startsWith('http:')
  if (url === undefined || !isSecureUrl(url) || downgraded || ourParameters.test(url)) {
    throw new ClientError('metadata_refused', `the metadata of ${issuer} has an unsafe ${name}; nothing was sent there`)
  }
  return url
}
