export { authenticationContexts } from './authentication-contexts.ts'
export {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  createAuthorizationServer,
  type Experiments,
} from './authorization-server.ts'
export type { Lifetimes } from './context.ts'
export { isRegistrableScope } from './grant-types/requested.ts'
export { isLoopbackIssuer, issuerProblem } from './issuer.ts'
export { createJournal, type Journal, type JournalEvent, silentJournal } from './journal.ts'
export { rotateEventKey } from './keys/event-keys.ts'
export { type KeyEncryptionKey, WrongKeyEncryptionKey } from './keys/key-encryption.ts'
export { makeSharedSecret, rotateSigningKey } from './keys/key-maintenance.ts'
export { readKeys } from './keys/key-ring.ts'
export { readReceiptKeys } from './keys/opened-keys.ts'
export { type SigningAlgorithm, signingAlgorithms } from './keys/signing-key.ts'
export type { LeakReporter, LeakWebhook } from './leaks/reporter.ts'
export { reporterProblem, webhookProblem } from './leaks/reporter.ts'
export { type LeakResult, type ReportedLeak, takeBackLeaked } from './leaks/take-back.ts'
export { bindAll, type Listening, type ListenOptions, listen } from './listen.ts'
export { hashPassword, passwordProblem, verifyPassword } from './passwords.ts'
export { StoreUnavailable } from './store/engine.ts'
export { opaqueAccessExpiry, opaqueAccessKey } from './store/opaque-access.ts'
export { openStore, type StoreOptions } from './store/open-store.ts'
export {
  type ClientSecret,
  type ClientSettings,
  clientAuthenticationMethods,
  clientProfiles,
  clientSettings,
  personalTokenClient,
  type RegisteredClient,
} from './store/registered-client.ts'
export { type ResourceSettings, resourceSettings } from './store/registered-resource.ts'
export { createRandom, type Store } from './store/store.ts'
export {
  type CreateApiKeyOutcome,
  type KeyOwner,
  type ListedApiKey,
  shortestKeySeconds,
} from './store/verbs/api-keys.ts'
export { type AuditRecord, findBreak } from './store/verbs/audit.ts'
export type { NewKey } from './store/verbs/keys.ts'
export { makeKeySecret } from './tokens/api-key.ts'
export { readOwnJwt } from './tokens/own-jwt.ts'
export { decodeUnverifiedRefreshToken, type UnverifiedRefreshToken } from './tokens/refresh-token.ts'
export { revokeToken, type TokenRevocation, type TokenRevocationOutcome } from './tokens/revoke-token.ts'
