import { codeChallengeOf, isCodeVerifier, parseOpaqueToken, Refusal, sha256Base64url } from '@arctos/core'
import { required } from '../parameters.ts'
import type { CodeRefused } from '../store/verbs/codes.ts'
import { formatRefreshToken } from '../tokens/refresh-token.ts'
import type { GrantType } from './grant-type.ts'
import { requestedResourceKeys } from './requested.ts'

/** A code, with the verifier whose challenge began the flow, for tokens. RFC 6749 §4.1.3, RFC 7636 §4.5 */
export const authorizationCode: GrantType = {
  name: 'authorization_code',
  async run(context, { client, assertion }, parameters, event) {
    const code = required(parameters, 'code')
    const verifier = required(parameters, 'code_verifier')
    if (!isCodeVerifier(verifier)) {
      throw new Refusal('request.invalid_parameter', {
        check: 'code_verifier',
        expected: '43 to 128 unreserved characters',
      })
    }
    if (parseOpaqueToken('authorizationCode', code, 32) === undefined) {
      throw new Refusal('code.unknown', { check: 'code', expected: 'a code of this server', received: 'another text' })
    }
    const { store, statusLists } = context
    const exchange = {
      codeHash: sha256Base64url(code),
      clientId: client.id,
      redirectUri: parameters.get('redirect_uri'),
      codeChallenge: codeChallengeOf(verifier),
      resourceKeys: requestedResourceKeys(parameters.all('resource')),
      assertion,
      idleSeconds: context.lifetimes.refreshIdleSeconds,
      absoluteSeconds: context.lifetimes.refreshAbsoluteSeconds,
    }
    const redeemed = await (statusLists === undefined
      ? store.redeemCode(exchange)
      : statusLists.placeGrant((places) => store.redeemCode({ ...exchange, places })))
    event.outcome = redeemed.outcome
    if (redeemed.outcome !== 'redeemed') throw refusalOf(redeemed)
    const { access, scopes, family, grantId } = redeemed
    const refreshToken =
      family && formatRefreshToken(context.keys.refreshKey(), { grantId, ...family }, context.store.environment)
    return { access, scopes, refreshToken }
  },
}

function refusalOf(redeemed: CodeRefused): Refusal {
  switch (redeemed.outcome) {
    case 'assertion_replayed':
      return new Refusal('client.assertion_replayed', { check: 'jti', expected: 'a new one' })
    // "Unknown" and "foreign" are one to everybody but the operator.
    case 'unknown':
    case 'foreign':
      return new Refusal('code.unknown', { check: 'code' })
    case 'expired':
      return new Refusal('code.expired', {
        check: 'expiry',
        expected: '60 s after it was given',
        received: redeemed.expiredAt,
      })
    case 'spent':
    case 'replayed':
      return new Refusal('code.spent', { check: 'single use', expected: 'a code that was not redeemed yet' })
    case 'too_many_attempts':
      return new Refusal('code.too_many_attempts', { check: 'failed exchanges', expected: 'fewer than 10' })
    case 'redirect_uri_mismatch':
      return new Refusal('code.redirect_uri_mismatch', {
        check: 'redirect_uri',
        expected: 'that of the authorization request',
      })
    case 'verifier_wrong':
      return new Refusal('code.verifier_wrong', { check: 'code_verifier', expected: 'the one of the code_challenge' })
    case 'resource_exceeds_grant':
      return new Refusal('resource.exceeds_grant', { check: 'resource', expected: 'one that was authorized' })
    case 'principal_disabled':
      return new Refusal('refresh.principal_disabled', { check: 'user and client', expected: 'enabled, not cut off' })
  }
}
