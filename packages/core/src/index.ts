export {
  type AccessToken,
  type AccessTokenExpectation,
  checkAccessTokenClaims,
  parseClaims,
} from './access-token.ts'
export { type Actor, readActors } from './actor.ts'
export { type Algorithm, isAlgorithm } from './algorithms.ts'
export type { AuthorizationDetail } from './authorization-details.ts'
export { decodeBase64url, encodeBase64url, isCanonicalBase64url } from './base64url.ts'
export { type ChallengeParameters, formatChallenge } from './challenge.ts'
export {
  type ClientAssertion,
  decodeUnverifiedClientAssertion,
  type UnverifiedClientAssertion,
  verifyClientAssertion,
} from './client-assertion.ts'
export { decodeUnverifiedJws, type JoseHeader, tokenLengthLimit, type UnverifiedJws } from './compact-jws.ts'
export { deriveKey, equalInConstantTime, hmacSha256, seal, sha256, sha256Base64url, unseal } from './crypto.ts'
export { type Explanation, explainRefusal, formatExplanation } from './explanation.ts'
export {
  decodeUnverifiedIntrospectionAnswer,
  type IntrospectionQuestion,
  introspectionAnswerType,
  type UnverifiedIntrospectionAnswer,
  verifyIntrospectionAnswer,
} from './introspection-answer.ts'
export {
  freezeClaims,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseJsonObject,
  parseJsonObjectText,
  readNumber,
  readString,
  readStrings,
} from './json.ts'
export { type FactValue, type Judge, recordingJudge, type Step, stepOfRefusal, strictJudge } from './judgement.ts'
export {
  importVerificationKey,
  isVerificationKey,
  jwkThumbprint,
  type RejectedJwk,
  type VerificationKey,
} from './jwk.ts'
export {
  formatOpaqueToken,
  looksLikeCredential,
  type OpaqueKind,
  type OpaqueOrigin,
  opaqueByteLengths,
  opaqueKinds,
  opaqueOriginOf,
  parseOpaqueToken,
  type SecretEnvironment,
  secretEnvironments,
} from './opaque-token.ts'
export { codeChallengeOf, isCodeChallenge, isCodeVerifier } from './pkce.ts'
export { openReceipt, type ReceiptContent, type ReceiptKey, sealReceipt } from './receipt.ts'
export { createRecentCache, type RecentCache } from './recent-cache.ts'
export { type Facts, Refusal } from './refusal.ts'
export { isReason, type Reason, type RefusalRow, refusalRow, refusals } from './refusals.ts'
export { isResourceIdentifier, resourceKey } from './resource.ts'
export { formatScope, isScopeWord, missingScopes, parseScope } from './scope.ts'
export { Secret } from './secret.ts'
export { type SecretPattern, secretPatterns } from './secret-patterns.ts'
export {
  decodeUnverifiedSecurityEvent,
  type NoSecurityEvent,
  type RevocationSnapshot,
  type SecurityEvent,
  type SecurityEventExpectation,
  type SecurityEventProblem,
  type UnverifiedSecurityEvent,
  verifyRevocationSnapshot,
  verifySecurityEvent,
} from './security-event.ts'
export {
  importSharedSecret,
  isSharedSecretKey,
  type RejectedSecret,
  type SharedSecretKey,
  sharedSecretBytes,
  signSharedSecretJws,
  verifySharedSecretJws,
} from './shared-secret.ts'
export { encodeHeader, type SigningKey, signCompactJws, signCompactJwsAsync, verifySignature } from './signature.ts'
export {
  decodeStatusList,
  decodeUnverifiedStatusList,
  encodeStatusList,
  readStatusReference,
  type StatusList,
  type StatusListExpectation,
  type StatusReference,
  statusAt,
  statusListType,
  statusTypes,
  type UnverifiedStatusList,
  type VerifiedStatusList,
  verifyStatusList,
} from './status-list.ts'
export { checkTokenKind, type TokenKindName } from './token-kinds.ts'
export { createTurnBatch, type Settled, type TurnBatch, type TurnBatchOptions } from './turn-batch.ts'
