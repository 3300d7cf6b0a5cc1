export type { AccessTokens } from './access-tokens.ts'
export { type OpenTarget, openTarget, type ReceivedAnswer, type SentRequest, type Target } from './asking.ts'
export {
  type TestAuthorizationServer,
  type TestAuthorizationServerOptions,
  testAuthorizationServer,
} from './authorization-server.ts'
export {
  type Conformance,
  type ConformanceOptions,
  type ConformanceResult,
  conformance,
  type Started,
  type VectorRunner,
  vectorRunner,
} from './conformance.ts'
export type { Forge } from './forge.ts'
export type { ExpectedAnswer, GuardVector, VectorOutage, VectorRequest, VectorRoute } from './guard-vector.ts'
export { guardVectors } from './guard-vectors.ts'
export type { Judgement } from './judgement.ts'
export type { OutageKind, OutageOf } from './outage.ts'
export type { TestFetch } from './reachable-fetch.ts'
export type { TestCredential, TestResource } from './registration.ts'
export type { Overrides, TestKey } from './signing.ts'
export type { TestClock } from './test-clock.ts'
export type { TokenOrder } from './token-order.ts'
