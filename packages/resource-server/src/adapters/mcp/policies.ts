import type { JsonObject } from '@arctos/core'
import type { Policy } from '../../policy/policy.ts'
import type { GuardRequest } from '../../request/guard-request.ts'
import type { Decision, ResourceServer } from '../../resource-server.ts'
import { hasArguments, type McpPolicy, withArguments, withSamples } from './argument.ts'
import type { McpKind, McpSubject } from './message.ts'

/** A thing that was registered, and what it asks of a token. */
export interface McpPolicyEntry extends McpSubject {
  readonly policy: McpPolicy
}

/** A policy with what enforces it. */
export interface McpRule extends McpPolicyEntry {
  /** The policy looks at the arguments of a call, so that one call says nothing about the next. */
  readonly isPerCall: boolean
  /**
   * Decides about one call. `undefined` where the policy asks for nothing beyond the endpoint's own; `unreadable` where it looks at
   * an argument that the call does not have.
   */
  decide(request: GuardRequest, values: JsonObject): Promise<Decision | 'unreadable' | undefined>
  /** Whether the URI of a request is one of this resource. */
  matches(uri: string): boolean
}

/** The part of the SDK's resource templates that is used: its own matching, so that nobody matches otherwise. */
export interface UriTemplate {
  match(uri: string): unknown
  toString(): string
}

/** All rules of an endpoint, by kind and name. Servers come and go with requests and sessions; their rules stay. */
export interface McpPolicies {
  /** Throws a TypeError for a policy that is none, and for a second one that differs from the first. */
  add(kind: McpKind, name: string, policy: McpPolicy, template?: UriTemplate): McpRule
  find(subject: McpSubject): McpRule | undefined
  list(): readonly McpPolicyEntry[]
}

type Enforce = (request: GuardRequest) => Promise<Decision>

export function createPolicies(api: ResourceServer, endpoint: Policy): McpPolicies {
  const rules = new Map<string, McpRule>()

  return {
    add(kind, name, policy, template) {
      const known = rules.get(`${kind} ${name}`)
      if (known !== undefined) {
        if (JSON.stringify(known.policy) === JSON.stringify(policy)) return known
        throw new TypeError(`mcpGuard: the ${kind} ${JSON.stringify(name)} has two policies`)
      }
      const isPerCall = hasArguments(policy)
      if (isPerCall && kind === 'resource') throw new TypeError('mcpGuard: a resource is read without arguments')
      const enforce = (asked: Policy): readonly Enforce[] => combine(endpoint, asked).map((each) => api.guard(each))
      const always = enforce(withSamples(policy))
      const rule: McpRule = {
        kind,
        name,
        policy,
        isPerCall,
        async decide(request, values) {
          if (!isPerCall) return decideAll(always, request)
          const guards = readable(() => enforce(withArguments(policy, values)))
          return guards === undefined ? 'unreadable' : decideAll(guards, request)
        },
        matches: (uri) => (template === undefined ? uri === name : isMatch(template, uri)),
      }
      rules.set(`${kind} ${name}`, rule)
      return rule
    },
    find({ kind, name }) {
      if (kind !== 'resource') return rules.get(`${kind} ${name}`)
      // Completions name a template by its text.
      const exact = rules.get(`resource ${normalized(name)}`) ?? rules.get(`resource ${name}`)
      return exact ?? [...rules.values()].find((rule) => rule.kind === 'resource' && rule.matches(normalized(name)))
    },
    list: () => [...rules.values()].map(({ kind, name, policy }) => ({ kind, name, policy })),
  }
}

/** The first refusal, or what the last guard found. */
async function decideAll(guards: readonly Enforce[], request: GuardRequest): Promise<Decision | undefined> {
  let decision: Decision | undefined
  for (const guard of guards) {
    decision = await guard(request)
    if (!decision.ok) break
  }
  return decision
}

/** A policy that was good at start can only fail for what a client put into it. */
function readable<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

function isMatch(template: UriTemplate, uri: string): boolean {
  const variables = template.match(uri)
  return variables !== null && variables !== undefined
}

/** As both SDKs look a URI up. */
function normalized(uri: string): string {
  return URL.canParse(uri) ? new URL(uri).href : uri
}

/**
 * What an endpoint and a thing behind it ask for, as one policy where that can be said: a challenge then names every scope at once,
 * and the user is asked once. MCP 2026-07-28, Authorization, Scope Challenge Handling
 */
function combine(endpoint: Policy, policy: Policy): readonly Policy[] {
  // Every request meets the endpoint's own.
  if (Object.keys(policy).length === 0) return []
  const isOverlapping = Object.keys(endpoint).some((name) => name !== 'scope' && name in policy)
  const first = scopeWords(endpoint)
  const second = scopeWords(policy)
  if (isOverlapping || first === undefined || second === undefined) return [endpoint, policy]
  const words = [...new Set([...first, ...second])]
  return [{ ...endpoint, ...policy, ...(words.length === 0 ? {} : { scope: words }) }]
}

/** The words of a policy that needs all of them; `undefined` for alternatives, and for what is no policy. */
function scopeWords({ scope }: Policy): readonly string[] | undefined {
  if (scope === undefined) return []
  if (typeof scope === 'string') return [scope]
  return Array.isArray(scope) ? scope : undefined
}
