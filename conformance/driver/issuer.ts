import { type JsonObject, jsonOf, send } from './http.ts'

/** Names of endpoints as the metadata lists them. RFC 8414 §2 */
export type EndpointName =
  | 'authorization_endpoint'
  | 'token_endpoint'
  | 'introspection_endpoint'
  | 'revocation_endpoint'
  | 'device_authorization_endpoint'
  | 'jwks_uri'

const documents = new Map<string, Promise<JsonObject>>()

/** The metadata of an issuer, from either of the well-known addresses; fetched once. RFC 8414 §3, OpenID Connect Discovery §4 */
export function metadataOf(issuer: string): Promise<JsonObject> {
  let document = documents.get(issuer)
  if (document === undefined) {
    document = fetchMetadata(issuer)
    documents.set(issuer, document)
  }
  return document
}

async function fetchMetadata(issuer: string): Promise<JsonObject> {
  for (const url of [oauthMetadataUrl(issuer), openidMetadataUrl(issuer)]) {
    const answer = await send(url)
    if (answer.status === 200) return jsonOf(answer)
  }
  throw new Error(`${issuer} serves no metadata`)
}

/** The well-known part goes between host and path. RFC 8414 §3.1 */
export function oauthMetadataUrl(issuer: string): string {
  const { origin, pathname } = new URL(issuer)
  return `${origin}/.well-known/oauth-authorization-server${pathname === '/' ? '' : pathname.replace(/\/$/, '')}`
}

export function openidMetadataUrl(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
}

/** The address of an endpoint; `undefined` where the issuer has none. */
export async function findEndpoint(issuer: string, name: EndpointName): Promise<string | undefined> {
  const url = (await metadataOf(issuer))[name]
  return typeof url === 'string' ? url : undefined
}

/** The address of an endpoint that the scenario cannot do without. */
export async function endpointOf(issuer: string, name: EndpointName): Promise<string> {
  const url = await findEndpoint(issuer, name)
  if (url === undefined) throw new Error(`the metadata of ${issuer} has no ${name}`)
  return url
}

/** A list of the metadata, or `undefined`. */
export async function listOf(issuer: string, name: string): Promise<readonly string[] | undefined> {
  const list = (await metadataOf(issuer))[name]
  return Array.isArray(list) ? list.map(String) : undefined
}
