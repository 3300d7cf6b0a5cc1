import { type Judge, type Reason, Refusal, recordingJudge, type Step, stepOfRefusal, strictJudge } from '@arctos/core'
import { type Answer, answerOf, challengeOf } from './answer.ts'
import { type Configuration, type ResourceServerOptions, readConfiguration, type ScopeTexts } from './configuration.ts'
import { type RevocationFeedStatus, startFeeds } from './feed/feeds.ts'
import type { PushRequest } from './feed/push.ts'
import { createIssuerRegistry } from './keys/trusted-issuers.ts'
import { type Demand, judgeDemand } from './policy/demand.ts'
import { markPolicy } from './policy/marked.ts'
import { type Policy, readPolicy } from './policy/policy.ts'
import { feedFigures } from './reports/feed-metrics.ts'
import { showToMeter } from './reports/opentelemetry.ts'
import { formatPrometheus } from './reports/prometheus.ts'
import { createRefusalReporter, type RefusalReport } from './reports/refusal-report.ts'
import { readCredential } from './request/credentials.ts'
import type { GuardRequest } from './request/guard-request.ts'
import { describeResource, metadataUrlOf, type ResourceMetadata } from './resource-metadata.ts'
import { createStatusLists } from './status-lists/status-lists.ts'
import { createAccessEnds } from './verification/access-end.ts'
import { createRevocationState, type Revocation } from './verification/revocation-state.ts'
import type { Access, TokenCheck } from './verification/token-check.ts'
import { createTokenChecker } from './verification/token-checker.ts'

/** What a guard says about one request: allow, deny, or (503) cannot decide. */
export type Decision =
  | {
      readonly ok: true
      readonly access: Access
      /** What a 2xx answer has to say in `Cache-Control`, because the token stood in the query (RFC 6750 §2.3). */
      readonly cacheControl?: 'private' | undefined
    }
  | {
      readonly ok: false
      readonly reason: Reason
      readonly status: number
      /** The value of `WWW-Authenticate`. */
      readonly challenge: string | undefined
      readonly receipt: string | undefined
      readonly response: Answer
    }

/** The part of a request that a report names. The requests of every framework fit it. */
export interface NamedRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
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
  /**
   * Decides what a call asks beyond its route, by its own arguments, with the access that its guard gave:
   * `api.permit(access, { authorizationDetails: { type: 'payment', members: { amount: { atLeast: args.amount } } } }, request)`.
   * A refusal is answered, reported and given a receipt like every other; `request` is what the report names. Throws a TypeError
   * for a policy that is no policy, and for `fresh`, which needs the token.
   */
  permit(access: Access, policy: Policy<Scope>, request?: NamedRequest): Decision
  /** Every step of the decision about a token or a request, in order, also those after the first that failed. */
  explain(tokenOrRequest: string | GuardRequest, policy?: Policy<Scope>): Promise<readonly Step[]>
  /** What a receipt stands for, while it is among the last 1,000 refusals of this guard. */
  findRefusal(receipt: string): RefusalReport | undefined
  /** What was counted and measured so far, in the text format of Prometheus; nothing in it comes from a request. */
  metrics(): string
  /** Fires when the access ends, for streams that outlive their token: at its expiry, or when `revoke` takes it back. */
  endOf(access: Access): AbortSignal
  /**
   * Takes back a token, a grant, or everything of somebody issued so far, at once and in this process alone. Throws a TypeError for
   * an entry that could not be meant.
   */
  revoke(entry: Revocation): void
  /** Where each revocation feed stands: how old what is known is, how far, what goes wrong, what was counted. */
  revocationStatus(): readonly RevocationFeedStatus[]
  /** Answers a transmitter that pushes an event here (RFC 8935); adapters have `revocationEvents` for it. */
  receiveEvents(request: PushRequest): Promise<Answer>
  /** Ends the revocation feeds: nobody is told anything here any more. A guard without feeds has nothing to close. */
  close(): Promise<void>
  /** Loads the keys of every authorization server now. Rejects with a refusal where one does not answer. */
  reload(): Promise<void>
}

/** Describes a protected resource. Throws a TypeError for an option that would make it unsafe. */
export function resourceServer<const Scopes extends ScopeTexts>(
  options: ResourceServerOptions<Scopes>,
): ResourceServer<keyof Scopes & string> {
  const configuration = readConfiguration(options)
  const { resource, authorizationServers, scopes, transports, clockToleranceSeconds, now, metrics } = configuration
  const policyContext = {
    ...configuration,
    canAsk: configuration.introspection !== undefined,
    hasFeed: configuration.feeds.length > 0,
  }
  const registry = createIssuerRegistry(configuration)
  const statusLists =
    configuration.statusLists &&
    createStatusLists({
      ...configuration,
      statusLists: configuration.statusLists,
      changed: () => revocations.touch(),
    })
  const revocations = createRevocationState({
    ...configuration,
    ...(statusLists && { also: statusLists.endedBy }),
    onlyIssuer: onlyIssuerOf(configuration),
    onChange: () => sweepSoon(),
  })
  const ends = createAccessEnds({
    clockToleranceSeconds,
    isGood: (access) => revocations.isGood(access) && !registry.isWithdrawn(access),
  })
  const sweepSoon = inOneTurn(ends.sweep)
  const write = options.journal ?? ((line: string) => void process.stderr.write(`${line}\n`))
  const feeds = startFeeds(configuration, registry, revocations, write)
  metrics.figures.push(...(statusLists?.figures ?? []), ...feedFigures(feeds.readings, () => revocations.size))
  const checkToken = createTokenChecker(configuration, registry, revocations, statusLists, feeds.gated, write)
  const metadataUrl = metadataUrlOf(resource)
  const { receipts, onRefusal, journal, meter } = options
  if (meter !== undefined) showToMeter(meter, metrics, { resource })
  const reporter = createRefusalReporter({ resource, now, seal: receipts?.seal, onRefusal, journal })

  const check = (
    token: string,
    request: GuardRequest | undefined,
    demand: Demand,
    judge: Judge,
    proven: TokenCheck['proven'],
    mayWait = false,
  ): Access | Promise<Access> => {
    const at = Math.floor(now() / 1_000)
    const { fresh, revocations: feed } = demand
    const issuers = registry.issuersOf(request)
    const access =
      issuers instanceof Promise
        ? issuers.then((trusted) =>
            checkToken({ token, issuers: trusted, now: at, judge, proven, fresh, revocations: feed, mayWait }),
          )
        : checkToken({ token, issuers, now: at, judge, proven, fresh, revocations: feed, mayWait })
    if (access instanceof Promise) return access.then((found) => judgeDemand(demand, found, judge, at))
    return judgeDemand(demand, access, judge, at)
  }

  const refuse = (error: unknown, demand: Demand, owner: string | undefined, request: GuardRequest): Decision => {
    const isRefusal = error instanceof Refusal
    const refusal = isRefusal ? error : new Refusal('server.fault', { check: 'fault' })
    metrics.decided(refusal.reason)
    const receipt = reporter.report(refusal, owner, request, isRefusal ? undefined : error)
    const context = { metadataUrl, demand: demand.challenge, receipt }
    const challenge = challengeOf(refusal, context)
    const response = answerOf(refusal, challenge, context)
    return { ok: false, reason: refusal.reason, status: response.status, challenge, receipt, response }
  }

  const enforce = (policy: Policy) => {
    const demand = readPolicy(policy, policyContext)
    return async (request: GuardRequest): Promise<Decision> => {
      let owner: string | undefined
      try {
        const found = readCredential(request, transports)
        const { token, transport } = found instanceof Promise ? await found : found
        const proven = (clientId: string | undefined): void => {
          owner = clientId
        }
        const access = await check(token, request, demand, strictJudge, proven, true)
        metrics.decided()
        return { ok: true, access, cacheControl: transport === 'query' ? 'private' : undefined }
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
      transports,
    ),
    metadataUrl,
    metadataPath: new URL(metadataUrl).pathname,
    authorize: async (request, policy = {}) => enforce(policy)(request),
    guard: (policy = {}) => markPolicy(enforce(policy), policy),
    permit(access, policy, { method = '', url = '' } = {}) {
      const demand = readPolicy(policy, policyContext)
      if (demand.fresh) throw new TypeError('policy: fresh needs the token; put it on the route')
      if (demand.revocations !== undefined) throw new TypeError('policy: revocations belongs on the route')
      try {
        judgeDemand(demand, access, strictJudge, Math.floor(now() / 1_000))
        return { ok: true, access }
      } catch (error) {
        return refuse(error, demand, access.clientId, { method, url, headers: {} })
      }
    },
    verifier(policy = {}) {
      const demand = readPolicy(policy, policyContext)
      return (token) => check(token, undefined, demand, strictJudge, ignore)
    },
    async explain(tokenOrRequest, policy = {}) {
      const demand = readPolicy(policy, policyContext)
      const { judge, steps } = recordingJudge()
      try {
        const request = typeof tokenOrRequest === 'string' ? undefined : tokenOrRequest
        const isToken = typeof tokenOrRequest === 'string'
        const token = isToken ? tokenOrRequest : (await readCredential(tokenOrRequest, transports)).token
        await check(token, request, demand, judge, ignore)
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        steps.push(stepOfRefusal(error))
      }
      return steps
    },
    findRefusal: (receipt) => reporter.find(receipt),
    metrics: () => formatPrometheus(metrics, { resource }),
    endOf: (access) => ends.signalOf(access, now()),
    revoke(entry) {
      revocations.add(entry, now() / 1_000)
      ends.sweep()
    },
    revocationStatus: feeds.status,
    receiveEvents: feeds.receive,
    async close() {
      statusLists?.close()
      await feeds.close()
    },
    reload: registry.reload,
  }
}

function onlyIssuerOf({ authorizationServers: servers }: Configuration): string | undefined {
  return typeof servers !== 'function' && servers.length === 1 ? servers[0]?.issuer : undefined
}

/** The same work, but once for all calls of one turn of the event loop: a feed may bring thousands of entries in one. */
function inOneTurn(work: () => void): () => void {
  let isDue = false
  return () => {
    if (isDue) return
    isDue = true
    setImmediate(() => {
      isDue = false
      work()
    })
  }
}

function ignore(): void {}
