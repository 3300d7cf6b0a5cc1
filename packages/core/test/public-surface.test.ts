import * as core from '@arctos/core'
import { describe, expect, it } from 'vitest'

describe('@arctos/core', () => {
  it('exports these names and no others: add one only when a user needs it', () => {
    expect(Object.keys(core).sort()).toEqual(
      [
        // tokens
        'decodeUnverifiedJws',
        'tokenLengthLimit',
        'verifySignature',
        'encodeHeader',
        'signCompactJws',
        'signCompactJwsAsync',
        'checkTokenKind',
        'parseClaims',
        'checkAccessTokenClaims',
        'freezeClaims',
        'decodeUnverifiedClientAssertion',
        'verifyClientAssertion',
        // keys
        'isAlgorithm',
        'importVerificationKey',
        'isVerificationKey',
        'jwkThumbprint',
        'importSharedSecret',
        'isSharedSecretKey',
        'sharedSecretBytes',
        'signSharedSecretJws',
        'verifySharedSecretJws',
        // secrets
        'Secret',
        'opaqueKinds',
        'formatOpaqueToken',
        'parseOpaqueToken',
        'looksLikeCredential',
        'deriveKey',
        'equalInConstantTime',
        'hmacSha256',
        'seal',
        'unseal',
        'sha256',
        'sha256Base64url',
        // refusals
        'Refusal',
        'refusals',
        'refusalRow',
        'isReason',
        'strictJudge',
        'recordingJudge',
        'stepOfRefusal',
        'explainRefusal',
        'formatExplanation',
        'sealReceipt',
        'openReceipt',
        // parameters and formats
        'parseScope',
        'formatScope',
        'isScopeWord',
        'missingScopes',
        'isCodeChallenge',
        'isCodeVerifier',
        'codeChallengeOf',
        'isResourceIdentifier',
        'resourceKey',
        'formatChallenge',
        'encodeBase64url',
        'decodeBase64url',
        'isCanonicalBase64url',
        'isJsonObject',
        'parseJsonObject',
        'parseJsonObjectText',
        'readNumber',
        'readString',
        'readStrings',
        // machinery
        'createRecentCache',
        'createTurnBatch',
      ].sort(),
    )
  })
})
