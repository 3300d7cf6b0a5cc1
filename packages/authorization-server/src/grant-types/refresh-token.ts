import { parseScope, Refusal } from '@arctos/core'
import type { ServerContext } from '../context.ts'
import type { JournalEvent } from '../journal.ts'
import { required } from '../parameters.ts'
import { isPublicClient, type RegisteredClient } from '../store/registered-client.ts'
import type { Rotation, RotationRefused } from '../store/verbs/refresh.ts'
import { deriveSuccessor, formatRefreshToken, parseRefreshToken } from '../tokens/refresh-token.ts'
import type { GrantType } from './grant-type.ts'
import { requestedResourceKeys } from './requested.ts'

/** A refresh token for a new access token and its successor, exactly as PROTOCOL §2 says. RFC 6749 §6, RFC 9700 §4.14.2 */
export const refreshToken: GrantType = {
  name: 'refresh_token',
  async run(context, { client, assertion }, parameters, event) {
    const presented = parseRefreshToken(context.keys, required(parameters, 'refresh_token'))
    if (presented === undefined) {
      throw new Refusal('refresh.malformed', {
        check: 'refresh_token',
        expected: 'made by this server',
        received: 'another text',
      }) // A3
    }
    event.grant = presented.grantId
    const scope = parameters.get('scope')
    const rotated = await context.store.rotateRefresh({
      presented,
      clientId: client.id,
      ...rotationRule(context, client),
      resourceKeys: requestedResourceKeys(parameters.all('resource')),
      scopes: scope === undefined ? undefined : parseScope(scope),
      assertion,
      idleSeconds: context.lifetimes.refreshIdleSeconds,
      derive: (from, salt) => deriveSuccessor(presented.key, from, salt),
    })
    event.outcome = rotated.outcome
    if (!('successor' in rotated)) throw refuse(rotated, event)
    const { access, scopes, successor, replayStreak } = rotated
    if (replayStreak >= replayStreakAlarm) event.alarm = 'refresh_replay_streak'
    // The successor keeps its family's key and environment: a retry must give the very same text.
    const refreshToken = formatRefreshToken(presented.key, successor, presented.environment)
    return { access, scopes, refreshToken }
  },
}

/** Generations running that must be retried for the alarm: a bad network does it now and then, two holders of a token always. */
const replayStreakAlarm = 3

/**
 * Rotation and retry by client (PROTOCOL §2). A confidential client may retry until the successor is used: there, rotation is not
 * what stops theft. A public one has a window, which is the time for which a copy would go unseen.
 */
function rotationRule(
  { lifetimes, endReplayStreaks }: ServerContext,
  client: RegisteredClient,
): Pick<Rotation, 'rotates' | 'retryWindowMs' | 'replayStreakLimit'> {
  const { profile } = client.settings
  const hasWindow = isPublicClient(client) || profile === 'mcp'
  return {
    rotates: profile !== 'fapi2',
    retryWindowMs: hasWindow ? lifetimes.retryWindowSeconds * 1_000 : undefined,
    replayStreakLimit: endReplayStreaks ? replayStreakAlarm : undefined,
  }
}

/** The refusal of an outcome; what may mean that keys or the database leaked raises an alarm (A8, A9). */
function refuse(rotated: RotationRefused, event: JournalEvent): Refusal {
  if (rotated.outcome === 'forked') event.alarm = 'refresh_forked'
  if (rotated.outcome === 'rolled_back') event.alarm = 'store_rolled_back'
  return refusalOf(rotated)
}

function refusalOf(rotated: RotationRefused): Refusal {
  switch (rotated.outcome) {
    case 'assertion_replayed':
      return new Refusal('client.assertion_replayed', { check: 'jti', expected: 'a new one' })
    case 'unknown':
    case 'foreign':
      return new Refusal('refresh.unknown', { check: 'refresh_token' })
    case 'ended':
      return new Refusal('refresh.ended', { check: 'grant', expected: 'live', received: 'ended' })
    case 'expired':
      return new Refusal('refresh.expired', { check: 'expiry', received: rotated.expiredAt })
    case 'principal_disabled':
      return new Refusal('refresh.principal_disabled', { check: 'user and client', expected: 'enabled, not cut off' })
    case 'rolled_back':
      return new Refusal('store.rolled_back', { check: 'generation', expected: 'not ahead of the database' })
    case 'forked':
      return new Refusal('refresh.forked', {
        check: 'family',
        received: rotated.presentedGeneration,
        expected: rotated.generation,
      })
    case 'reused':
      return new Refusal('refresh.reused', {
        check: 'generation',
        expected: rotated.generation,
        received: rotated.presentedGeneration,
      })
    case 'scope_exceeds_grant':
      return new Refusal('scope.exceeds_grant', {
        check: 'scope',
        expected: 'what was granted',
        received: rotated.missing.slice(0, 60),
      })
    case 'resource_exceeds_grant':
      return new Refusal('resource.exceeds_grant', { check: 'resource', expected: 'one that was authorized' })
  }
}
