export type { Answer } from './answer.ts'
export type { ResourceServerOptions, ScopeTexts } from './configuration.ts'
export type { IntrospectionOptions } from './introspection/options.ts'
export type {
  AuthorizationServerOption,
  AuthorizationServersOption,
  SharedSecretOption,
} from './keys/authorization-servers.ts'
export type { Fetch } from './outbound-fetch.ts'
export type { ActorPolicy, ActorRules, AllowedActor } from './policy/actor.ts'
export { type DetailsPolicy, holdsAuthorizationDetails } from './policy/authorization-details.ts'
export { policyOf } from './policy/marked.ts'
export type { MemberRule } from './policy/member-rule.ts'
export type { Policy } from './policy/policy.ts'
export type { ScopePolicy } from './policy/scope.ts'
export type { Meter } from './reports/opentelemetry.ts'
export { type RefusalReport, readJournalLine } from './reports/refusal-report.ts'
export type { FormFields } from './request/form-body.ts'
export { type GuardRequest, type HeaderLookup, type HeaderSource, headerValues } from './request/guard-request.ts'
export type { ResourceMetadata } from './resource-metadata.ts'
export { type Decision, type NamedRequest, type ResourceServer, resourceServer } from './resource-server.ts'
export { type AccessRule, type Route, requirePolicy } from './routes.ts'
export type { Revocation } from './verification/revocation-state.ts'
export { type Access, accessOf } from './verification/token-check.ts'
