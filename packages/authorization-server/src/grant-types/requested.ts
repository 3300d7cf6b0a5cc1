import { isResourceIdentifier, isScopeWord, parseScope, Refusal, resourceKey } from '@arctos/core'
import type { ServerContext } from '../context.ts'
import { feedScopePrefix } from '../feed/feed-resource.ts'
import type { RegisteredClient } from '../store/registered-client.ts'
import type { RegisteredResource } from '../store/registered-resource.ts'
import { offlineScope } from '../store/verbs/codes.ts'

const resourceLimit = 10

/** Keys of the resources that a request names, each once. Throws `resource.malformed`. RFC 8707 §2 */
export function requestedResourceKeys(identifiers: readonly string[]): readonly string[] {
  if (identifiers.length > resourceLimit) {
    throw new Refusal('resource.malformed', {
      check: 'resources',
      expected: resourceLimit,
      received: identifiers.length,
    })
  }
  const wrong = identifiers.find((identifier) => !isResourceIdentifier(identifier))
  if (wrong !== undefined) throw new Refusal('resource.malformed', { check: 'resource', received: wrong.slice(0, 80) })
  return [...new Set(identifiers.map(resourceKey))]
}

/**
 * The registered resources that a request is for; without `resource`, the default one. Throws `resource.unknown`.
 * RFC 8707 §2, RFC 9068 §3
 */
export async function requestedResources(
  context: ServerContext,
  identifiers: readonly string[],
): Promise<readonly RegisteredResource[]> {
  const meant =
    identifiers.length === 0 && context.defaultResource !== undefined ? [context.defaultResource] : identifiers
  const keys = requestedResourceKeys(meant)
  if (keys.length === 0) {
    const [first] = await context.store.listResources(undefined)
    if (first === undefined)
      throw new Refusal('resource.unknown', { check: 'resource', expected: 'a registered one', received: 'none' })
    return [first]
  }
  const resources = await context.store.readResources(keys)
  const unknown = keys.find((key) => !resources.some((resource) => resource.key === key))
  if (unknown !== undefined)
    throw new Refusal('resource.unknown', { check: 'resource', received: unknown.slice(0, 80) })
  return resources
}

/**
 * The scopes that a request asks for, or the client's default where it names none: everything it may have at these resources,
 * without a refresh token. Throws `scope.malformed` or `scope.unknown`. RFC 6749 §3.3
 *
 * @param offline whether `offline_access` may be asked for at all
 */
export function requestedScopes(
  client: RegisteredClient,
  resources: readonly RegisteredResource[],
  scope: string | undefined,
  offline: boolean,
): readonly string[] {
  const declared = resources.flatMap((resource) => Object.keys(resource.scopes))
  const registered = client.settings.scopes
  const allowed = registered === undefined ? declared : declared.filter((word) => registered.includes(word))
  const words = scope === undefined ? [...new Set(allowed)] : parseScope(scope)
  const mayRest = offline && (registered === undefined || registered.includes(offlineScope))
  const unknown = words.find((word) => !allowed.includes(word) && !(mayRest && word === offlineScope))
  if (unknown !== undefined) {
    throw new Refusal('scope.unknown', {
      check: 'scope',
      expected: allowed.join(' ').slice(0, 80),
      received: unknown.slice(0, 40),
    })
  }
  const ambiguous = words.find((word) => isAmbiguous(word, resources))
  if (ambiguous !== undefined) {
    throw new Refusal('scope.unknown', {
      check: 'scope',
      expected: 'one meaning at all of the resources',
      received: ambiguous.slice(0, 40),
    })
  }
  return words
}

/** Whether one word means one thing here and another there: a token for both would grant what nobody agreed to. RFC 9068 §3 */
function isAmbiguous(word: string, resources: readonly RegisteredResource[]): boolean {
  const meanings = resources.filter(({ scopes }) => Object.hasOwn(scopes, word)).map(({ scopes }) => scopes[word])
  return new Set(meanings).size > 1
}

/** Whether a text can be registered as a scope of a resource. */
export function isRegistrableScope(word: string): boolean {
  // openid would promise an ID token, which is not issued yet; offline_access is ours, and so are the scopes of the feed.
  return isScopeWord(word) && word !== 'openid' && word !== offlineScope && !word.startsWith(feedScopePrefix)
}
