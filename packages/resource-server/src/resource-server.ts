import { type Judge, type Reason, Refusal, recordingJudge, type Step, stepOfRefusal, strictJudge } from '@arctos/core'
import { type Answer, answerOf, challengeOf } from './answer.ts'
import { type Configuration, type ResourceServerOptions, readConfiguration, type ScopeTexts } from './configuration.ts'
import { readBearerToken } from './credentials.ts'
import type { GuardRequest } from './guard-request.ts'
import { createIntrospection } from './introspection.ts'
import { createOpaqueTokenChecker } from './opaque-token.ts'
import { showToMeter } from './opentelemetry.ts'
import { markPolicy } from './policy/marked.ts'
import { judgeScope, type Policy, readPolicy, type ScopeDemand } from './policy/policy.ts'
import { formatPrometheus } from './prometheus.ts'
import { createRefusalReporter, type RefusalReport } from './refusal-report.ts'
import { describeResource, metadataUrlOf, type ResourceMetadata } from './resource-metadata.ts'
import { createSignedTokenChecker } from './signed-token.ts'
import type { Access, TokenCheck, TokenChecker } from './token-check.ts'
import { createIssuerRegistry, type IssuerRegistry, type TrustedIssuers } from './trusted-issuers.ts'

/** What a guard says about one request: allow, deny, or (503) cannot decide. */
export type Decision =
  | { readonly ok: true; readonly access: Access }
  | {
      readonly ok: false
      readonly reason: Reason
      readonly status: number
      /** The value of `WWW-Authenticate`. */
      readonly challenge: string | undefined
      readonly receipt: string | undefined
      readonly response: Answer
    }

/** A protected resource: one description, from which checks, challenges and metadata follow. */
export interface ResourceServer<Scope extends string = string> {
  readonly resource: string
  readonly metadata: ResourceMetadata
  readonly metadataUrl: string
  /** The path of {@link metadataUrl}. */
  readonly metadataPath: string
  /** Decides about one request. Rejects only for a policy that is no policy: a TypeError. */
  authorize(request: GuardRequest, policy?: Policy<Scope>): Promise<Decision>
  /** The same for one policy, read at once: a mistake in it throws here, at start. `policyOf` reads it from the function. */
  guard(policy?: Policy<Scope>): (request: GuardRequest) => Promise<Decision>
  /**
   * The same for a token that came by another way: a message of a WebSocket, a queue. Answers at once unless something has to be
   * fetched. Throws, or rejects with, a `Refusal`.
   */
  verifier(policy?: Policy<Scope>): (token: string) => Access | Promise<Access>
  /** Every step of the decision about a token or a request, in order, also those after the first that failed. */
  explain(tokenOrRequest: string | GuardRequest, policy?: Policy<Scope>): Promise<readonly Step[]>
  /** What a receipt stands for, while it is among the last 1,000 refusals of this guard. */
  findRefusal(receipt: string): RefusalReport | undefined
  /** What was counted and measured so far, in the text format of Prometheus; nothing in it comes from a request. */
  metrics(): string
  /** Loads the keys of every authorization server now. Rejects with a refusal where one does not answer. */
  reload(): Promise<void>
}

/** Describes a protected resource. Throws a TypeError for an option that would make it unsafe. */
export function resourceServer<const Scopes extends ScopeTexts>(
  options: ResourceServerOptions<Scopes>,
): ResourceServer<keyof Scopes & string> {
  const configuration = readConfiguration(options)
  const { resource, authorizationServers, scopes, now, metrics } = configuration
  const registry = createIssuerRegistry(configuration)
  const checkToken = createTokenChecker(configuration, registry)
  const metadataUrl = metadataUrlOf(resource)
  const { receipts, onRefusal, journal, meter } = options
  if (meter !== undefined) showToMeter(meter, metrics, { resource })
  const reporter = createRefusalReporter({ resource, now, seal: receipts?.seal, onRefusal, journal })

  const check = (
    token: string,
    request: GuardRequest | undefined,
    demand: ScopeDemand,
    judge: Judge,
    proven: TokenCheck['proven'],
  ): Access | Promise<Access> => {
    const judged = (access: Access): Access => {
      judgeScope(demand, access, judge)
      return access
    }
    const look = (issuers: TrustedIssuers): Access | Promise<Access> =>
      checkToken({ token, issuers, now: Math.floor(now() / 1_000), judge, proven })
    const issuers = registry.issuersOf(request)
    const access = issuers instanceof Promise ? issuers.then(look) : look(issuers)
    return access instanceof Promise ? access.then(judged) : judged(access)
  }

  const refuse = (error: unknown, demand: ScopeDemand, owner: string | undefined, request: GuardRequest): Decision => {
    const isRefusal = error instanceof Refusal
    const refusal = isRefusal ? error : new Refusal('server.fault', { check: 'fault' })
    metrics.decided(refusal.reason)
    const receipt = reporter.report(refusal, owner, request, isRefusal ? undefined : error)
    const context = { metadataUrl, scope: demand.challenge, receipt }
    const challenge = challengeOf(refusal, context)
    const response = answerOf(refusal, challenge, context)
    return { ok: false, reason: refusal.reason, status: response.status, challenge, receipt, response }
  }

  const enforce = (policy: Policy) => {
    const demand = readPolicy(policy, scopes)
    return async (request: GuardRequest): Promise<Decision> => {
      let owner: string | undefined
      try {
        const access = await check(readBearerToken(request), request, demand, strictJudge, (clientId) => {
          owner = clientId
        })
        metrics.decided()
        return { ok: true, access }
      } catch (error) {
        return refuse(error, demand, owner, request)
      }
    }
  }

  return {
    resource,
    // RFC 9728 §2: where the authorization servers cannot be enumerated, the document names none.
    metadata: describeResource(
      resource,
      typeof authorizationServers === 'function' ? [] : authorizationServers.map(({ issuer }) => issuer),
      scopes,
    ),
    metadataUrl,
    metadataPath: new URL(metadataUrl).pathname,
    authorize: async (request, policy = {}) => enforce(policy)(request),
    guard: (policy = {}) => markPolicy(enforce(policy), policy),
    verifier(policy = {}) {
      const demand = readPolicy(policy, scopes)
      return (token) => check(token, undefined, demand, strictJudge, ignore)
    },
    async explain(tokenOrRequest, policy = {}) {
      const demand = readPolicy(policy, scopes)
      const { judge, steps } = recordingJudge()
      try {
        const request = typeof tokenOrRequest === 'string' ? undefined : tokenOrRequest
        const token = typeof tokenOrRequest === 'string' ? tokenOrRequest : readBearerToken(tokenOrRequest)
        await check(token, request, demand, judge, ignore)
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        steps.push(stepOfRefusal(error))
      }
      return steps
    },
    findRefusal: (receipt) => reporter.find(receipt),
    metrics: () => formatPrometheus(metrics, { resource }),
    reload: registry.reload,
  }
}

function ignore(): void {}

/** Two dots make a JWT, whatever is between them; everything else is for its issuer to read. */
function isJwt(token: string): boolean {
  return token.split('.', 4).length === 3
}

function createTokenChecker(configuration: Configuration, registry: IssuerRegistry): TokenChecker {
  const { resource, introspection, clockToleranceSeconds, allowUntyped, now, metrics } = configuration
  const allowSharedSecret = configuration.sharedSecrets.length > 0
  const checkSigned = createSignedTokenChecker({ resource, allowSharedSecret, allowUntyped, clockToleranceSeconds })
  if (introspection === undefined) return checkSigned
  const { issuer } = introspection
  const { metadata } = registry.issuerNamed(issuer)
  const fetch = metrics.ofIssuer(issuer).watch(configuration.fetch)
  const checkOpaque = createOpaqueTokenChecker({
    resource,
    issuer,
    introspection: createIntrospection(introspection, { metadata, fetch, now, metrics }),
    clockToleranceSeconds,
  })
  return (check) => {
    if (isJwt(check.token)) return checkSigned(check)
    // Where the issuer of opaque tokens is not trusted for this request, it is not asked either.
    const trusted = [...check.issuers.keys()].join(' ')
    check.judge('trusted issuer', check.issuers.has(issuer), 'token.issuer', trusted, issuer)
    return checkOpaque(check)
  }
}
