export { type ApiKeyAccess, type ApiKeyOptions, apiKey } from './api-key.ts'
export { type BearerHeaders, bearerHeaders, type TokenHolder } from './bearer-headers.ts'
export {
  type AccessDemand,
  type ChallengedResponse,
  parseChallenges,
  type ReceivedChallenge,
  readChallenge,
} from './challenges.ts'
export { type ClientCredentialsTarget, type OAuthClient, type OAuthClientOptions, oauthClient } from './client.ts'
export {
  type ClientAuthentication,
  type ClientCredentials,
  clientSecretBasic,
  clientSecretPost,
  type PrivateJwk,
  privateKeyJwt,
  type WorkloadAssertionSource,
  workloadAssertion,
} from './client-authentication.ts'
export type { DeviceCode, DeviceLoginOptions } from './device-login.ts'
export type { Environment, EnvironmentOptions, Fetch } from './environment.ts'
export {
  ClientError,
  type ClientErrorCode,
  OAuthError,
  type RefusedAnswer,
  SessionOver,
  Unavailable,
} from './errors.ts'
export type { LoginOptions } from './login.ts'
export { askInTurn, awaitTurn, type LoginTurn } from './login-turn.ts'
export {
  type AllowedIssuers,
  type DiscoveryOptions,
  discoverResource,
  type ProtectedResource,
} from './protected-resource.ts'
export type { ResourceFetch } from './resource-fetch.ts'
export type { Session } from './session.ts'
export {
  describeSession,
  endSessionHere,
  type SessionFacts,
  type SessionOwner,
  type TokenFacts,
} from './session-facts.ts'
export {
  type KnownStore,
  memoryStore,
  type SecureItem,
  type SessionStore,
  type StoreKind,
  singleProcessStore,
} from './session-store.ts'
export type { Interaction, StepUp, StepUpRequest } from './step-up.ts'
export type { WebLogin, WebLoginOptions } from './web-login.ts'
