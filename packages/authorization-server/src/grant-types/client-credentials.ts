import { Refusal } from '@arctos/core'
import { requestedFeed } from '../feed/feed-resource.ts'
import { StoreUnavailable } from '../store/engine.ts'
import { isPublicClient } from '../store/registered-client.ts'
import type { GrantType } from './grant-type.ts'
import { requestedResources, requestedScopes } from './requested.ts'

/** A confidential client gets a token for itself. No refresh token: it can always ask again. RFC 6749 §4.4 */
export const clientCredentials: GrantType = {
  name: 'client_credentials',
  async run(context, { client, assertion }, parameters) {
    if (isPublicClient(client)) {
      throw new Refusal('client.grant_type_not_allowed', {
        check: 'client',
        expected: 'confidential',
        received: 'public',
      })
    }
    const feed = requestedFeed(context.issuer, client, parameters)
    if (feed === undefined && !client.settings.grantTypes.includes(clientCredentials.name)) {
      const expected = 'none, or the feed for itself'
      throw new Refusal('client.grant_type_not_allowed', { check: 'grant_type', expected })
    }
    const resources = feed === undefined ? await requestedResources(context, parameters.all('resource')) : [feed]
    // What an operator lets a client ask of its APIs says nothing about the feed.
    const asking = feed === undefined ? client : { ...client, settings: { ...client.settings, scopes: undefined } }
    const scopes = requestedScopes(asking, resources, parameters.get('scope'), false)
    const resourceKeys = resources.map((resource) => resource.key)
    const { store, statusLists } = context
    const order = { clientId: client.id, clientVersion: client.version, scopes, resourceKeys, assertion, builtIn: feed }
    const issued = await (statusLists === undefined || feed !== undefined
      ? store.issueForClient(order)
      : statusLists.placeClient((places) => store.issueForClient({ ...order, places })))
    switch (issued.outcome) {
      case 'issued':
        return { access: issued.access, scopes, refreshToken: undefined }
      case 'assertion_replayed':
        throw new Refusal('client.assertion_replayed', { check: 'jti', expected: 'a new one' })
      case 'client_changed':
        // To ask again is right, and shows whether what it proves itself by still counts.
        throw new StoreUnavailable('the client was changed while it asked')
      case 'client_disabled':
        throw new Refusal('client.disabled', { check: 'client', expected: 'enabled', received: 'disabled' })
      case 'resource_unknown':
        throw new Refusal('resource.unknown', { check: 'resource', expected: 'resources with tokens of one kind' })
    }
  },
}
