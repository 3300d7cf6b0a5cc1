import { isJsonObject, type JsonObject, refusalRow } from '@arctos/core'
import type { GuardRequest } from '../../request/guard-request.ts'
import { authInfoIn, type McpContext } from './auth-info.ts'
import type { McpRule } from './policies.ts'

/** A refusal that comes too late for an answer of HTTP. Both SDKs make an error of the call out of it, with these words. */
export class McpCallRefused extends Error {
  override readonly name = 'McpCallRefused'
}

/** What is known about a request inside of the SDK: how to ask again, and which rules have let its calls through. */
interface Standing {
  readonly request: GuardRequest
  readonly allowed: ReadonlySet<McpRule>
}

/** By the object that the SDK hands on, so that nothing of it is seen by handlers: the request holds the token. */
const standings = new WeakMap<object, Standing>()

/** Remembers a request for the second look at its calls. */
export function remember(authInfo: object, request: GuardRequest, allowed: ReadonlySet<McpRule> = new Set()): void {
  standings.set(authInfo, { request, allowed })
}

/**
 * The second look, inside of the SDK, before a handler runs. Where `mcpGuard` stands before the SDK it has decided already; where
 * something else does (`tokenVerifier`, a server reached in another way), this decides. `undefined` lets the call through at once.
 */
export function lookAgain(rule: McpRule, parts: readonly unknown[]): Promise<void> | undefined {
  const authInfo = authInfoIn(parts.at(-1) as McpContext | undefined)
  const standing = authInfo && standings.get(authInfo)
  if (standing === undefined) throw new McpCallRefused('This call passed no guard.')
  if (standing.allowed.has(rule)) return undefined
  const [first] = parts
  return decideNow(rule, standing.request, parts.length > 1 && isJsonObject(first) ? first : {})
}

async function decideNow(rule: McpRule, request: GuardRequest, values: JsonObject): Promise<void> {
  const decision = await rule.decide(request, values)
  if (decision === 'unreadable') throw new McpCallRefused('An argument that the policy looks at is missing.')
  if (decision !== undefined && !decision.ok) throw new McpCallRefused(refusalRow(decision.reason).sentence)
}

/** What the hook of the second line of the SDK is asked and may say. */
type ScopeChallengeHook = (question: {
  readonly authInfo?: unknown
  readonly request?: unknown
}) => Promise<{ readonly scopes: [string, ...string[]] } | undefined>

/** The hook can ask for scopes and for nothing else; what else a token lacks, the second look refuses. RFC 6750 §3.1 */
export function scopeChallengeOf(rule: McpRule): ScopeChallengeHook {
  return async ({ authInfo, request }) => {
    const standing = typeof authInfo === 'object' && authInfo !== null ? standings.get(authInfo) : undefined
    if (standing === undefined || standing.allowed.has(rule)) return undefined
    const decision = await rule.decide(standing.request, argumentsOf(request))
    if (decision === undefined || decision === 'unreadable' || decision.ok) return undefined
    const asked =
      decision.reason === 'token.scope' ? /\bscope="([^"]+)"/.exec(decision.challenge ?? '')?.[1] : undefined
    const [first, ...rest] = asked?.split(' ') ?? []
    return first === undefined ? undefined : { scopes: [first, ...rest] }
  }
}

function argumentsOf(request: unknown): JsonObject {
  const params = isJsonObject(request) ? request['params'] : undefined
  const values = isJsonObject(params) ? params['arguments'] : undefined
  return isJsonObject(values) ? values : {}
}
