import type { ServerContext } from '../context.ts'
import { feedResource } from '../feed/feed-resource.ts'
import { deliveryMethods } from '../feed/stream-configuration.ts'
import type { Answer } from '../message.ts'

const headers = {
  'content-type': 'application/json',
  'cache-control': 'public, max-age=300',
  'access-control-allow-origin': '*',
  'x-content-type-options': 'nosniff',
}

/** What the transmitter of security events offers. SSF §7.1, SSF §7.2 */
export function ssfConfigurationEndpoint({ issuer }: ServerContext): Answer {
  const body = {
    spec_version: '1_0',
    issuer,
    jwks_uri: `${issuer}/ssf/jwks`,
    delivery_methods_supported: [deliveryMethods.poll, deliveryMethods.push],
    configuration_endpoint: `${issuer}/ssf/streams`,
    status_endpoint: `${issuer}/ssf/status`,
    add_subject_endpoint: `${issuer}/ssf/subjects/add`,
    remove_subject_endpoint: `${issuer}/ssf/subjects/remove`,
    verification_endpoint: `${issuer}/ssf/verify`,
    // Who does not know what an actor is must not take the event for one about everybody else (SSF §3.5).
    critical_subject_members: ['actor'],
    authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
    default_subjects: 'ALL',
    // Of our own: where guards begin.
    arctos_snapshot_endpoint: `${issuer}/ssf/snapshot`,
  }
  return { status: 200, headers, body: JSON.stringify(body) }
}

/** The feed as a protected resource, which is how receivers find its scopes (CAEP interop §2.7.2). RFC 9728 §2 */
export function ssfResourceEndpoint({ issuer }: ServerContext): Answer {
  const { identifier, scopes } = feedResource(issuer)
  const body = {
    resource: identifier,
    authorization_servers: [issuer],
    scopes_supported: Object.keys(scopes),
    bearer_methods_supported: ['header'],
  }
  return { status: 200, headers, body: JSON.stringify(body) }
}
