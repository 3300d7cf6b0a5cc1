import { reachableContexts } from '../authentication-contexts.ts'
import { authenticationMethods } from '../client-authentication/authenticate.ts'
import type { ServerContext } from '../context.ts'
import { feedResource } from '../feed/feed-resource.ts'
import { grantTypes } from '../grant-types/grant-types.ts'
import { refusalAnswer } from '../http/answer.ts'
import { enter } from '../http/entry.ts'
import { signingAlgorithms } from '../keys/signing-key.ts'
import type { Answer } from '../message.ts'
import { statusListDraft } from '../status-lists/status-lists.ts'
import { offlineScope } from '../store/verbs/codes.ts'

/**
 * What this server offers, computed from what it has: it cannot promise anything else. The same document answers at the OpenID
 * path, where many clients look first. RFC 8414 §2, RFC 9207 §3
 */
export function metadataEndpoint(context: ServerContext): Promise<Answer> {
  return enter(
    context,
    { endpoint: 'metadata' },
    async () => ({ status: 200, headers, body: JSON.stringify(await describe(context)) }),
    ({ refusal, receipt }) => refusalAnswer(context.issuer, refusal, receipt),
  )
}

const headers = {
  'content-type': 'application/json',
  'cache-control': 'public, max-age=300',
  'access-control-allow-origin': '*',
  'x-content-type-options': 'nosniff',
}

async function describe({ issuer, store, keys, statusLists }: ServerContext): Promise<object> {
  const resources = await store.listResources(undefined)
  const confidential = authenticationMethods.filter((method) => method !== 'none')
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    introspection_endpoint: `${issuer}/introspect`,
    revocation_endpoint: `${issuer}/revoke`,
    device_authorization_endpoint: `${issuer}/device_authorization`,
    scopes_supported: [...new Set([...resources.flatMap((resource) => Object.keys(resource.scopes)), offlineScope])],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: grantTypes.map((grantType) => grantType.name),
    token_endpoint_auth_methods_supported: authenticationMethods,
    token_endpoint_auth_signing_alg_values_supported: signingAlgorithms,
    introspection_endpoint_auth_methods_supported: confidential,
    introspection_endpoint_auth_signing_alg_values_supported: signingAlgorithms,
    // RFC 9701 §7: the algorithm that signs now. None for encryption: answers are not encrypted.
    introspection_signing_alg_values_supported: [keys.signingKey().algorithm],
    revocation_endpoint_auth_methods_supported: authenticationMethods,
    revocation_endpoint_auth_signing_alg_values_supported: signingAlgorithms,
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    // RFC 9728 §4: the feed of security events is one, too.
    protected_resources: [...resources.map((resource) => resource.identifier), feedResource(issuer).identifier],
    prompt_values_supported: ['none', 'login', 'consent'],
    // RFC 9470 §7
    acr_values_supported: reachableContexts,
    ...(statusLists && {
      // draft-ietf-oauth-status-list-21 §9.1
      status_list_aggregation_endpoint: statusLists.aggregationUri,
      arctos_experimental: {
        token_status_list: `draft-ietf-oauth-status-list-${statusListDraft.slice('draft-'.length)}`,
      },
    }),
  }
}
