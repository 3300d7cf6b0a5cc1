import { parseOpaqueToken, Refusal, sha256Base64url } from '@arctos/core'
import { required } from '../parameters.ts'
import type { DeviceRefused } from '../store/verbs/device-codes.ts'
import { formatRefreshToken } from '../tokens/refresh-token.ts'
import type { GrantType } from './grant-type.ts'
import { requestedResourceKeys } from './requested.ts'

/** A device that waits for its user asks whether it has tokens by now. RFC 8628 §3.4, RFC 8628 §3.5 */
export const deviceCode: GrantType = {
  name: 'urn:ietf:params:oauth:grant-type:device_code',
  async run(context, { client, assertion }, parameters, event) {
    const code = required(parameters, 'device_code')
    const resourceKeys = requestedResourceKeys(parameters.all('resource'))
    if (parseOpaqueToken('deviceCode', code, 32) === undefined) {
      const facts = { check: 'device_code', expected: 'a device code of this server', received: 'another text' }
      throw new Refusal('device.unknown', facts)
    }
    const deviceCodeHash = sha256Base64url(code)
    const polled = await context.store.pollDevice({ deviceCodeHash, clientId: client.id, assertion })
    event.outcome = polled.outcome
    if (polled.outcome !== 'approved') throw refusalOf(polled)
    const { store, statusLists } = context
    const exchange = {
      deviceCodeHash,
      clientId: client.id,
      userId: polled.userId,
      resourceKeys,
      idleSeconds: context.lifetimes.refreshIdleSeconds,
      absoluteSeconds: context.lifetimes.refreshAbsoluteSeconds,
    }
    const redeemed = await (statusLists === undefined
      ? store.redeemDevice(exchange)
      : statusLists.placeGrant((places) => store.redeemDevice({ ...exchange, places })))
    event.outcome = redeemed.outcome
    if (redeemed.outcome !== 'redeemed') throw refusalOf(redeemed)
    const { access, scopes, family, grantId } = redeemed
    const refreshToken =
      family && formatRefreshToken(context.keys.refreshKey(), { grantId, ...family }, context.store.environment)
    return { access, scopes, refreshToken }
  },
}

function refusalOf(refused: DeviceRefused): Refusal {
  switch (refused.outcome) {
    case 'assertion_replayed':
      return new Refusal('client.assertion_replayed', { check: 'jti', expected: 'a new one' })
    // "Unknown" and "foreign" are one to everybody but the operator.
    case 'unknown':
    case 'foreign':
      return new Refusal('device.unknown', { check: 'device_code' })
    case 'pending':
      return new Refusal('device.pending', { check: 'decision', expected: 'the user has decided', received: 'not yet' })
    case 'slow_down':
      return new Refusal('device.slow_down', {
        check: 'seconds between polls',
        expected: refused.intervalSeconds,
        received: 'fewer',
      })
    case 'denied':
      return new Refusal('device.denied', { check: 'decision', expected: 'approved', received: 'denied' })
    case 'expired':
      return new Refusal('device.expired', {
        check: 'expiry',
        expected: '600 s after it was given',
        received: refused.expiredAt,
      })
    case 'spent':
      return new Refusal('device.spent', { check: 'single use', expected: 'a device code that was not redeemed yet' })
    case 'principal_disabled':
      return new Refusal('refresh.principal_disabled', { check: 'user and client', expected: 'enabled, not cut off' })
    case 'resource_exceeds_grant':
      return new Refusal('resource.exceeds_grant', { check: 'resource', expected: 'one that was approved' })
  }
}
