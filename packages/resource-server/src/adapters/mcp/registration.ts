import type { McpPolicy } from './argument.ts'
import { lookAgain, McpCallRefused, scopeChallengeOf } from './call-check.ts'
import type { McpKind } from './message.ts'
import type { McpPolicies, McpRule, UriTemplate } from './policies.ts'

type Register = (...parts: never[]) => unknown

/** The part of `McpServer` that is used, the same in both lines of the SDK. */
export interface McpServerLike {
  registerTool: Register
  registerResource: Register
  registerPrompt: Register
}

/** The methods of a server that register something, with the types of the SDK. */
export type Registrar<Server extends McpServerLike> = Pick<
  Server,
  'registerTool' | 'registerResource' | 'registerPrompt'
>

/** Registers what asks for this policy: `needs({ scope: 'read' }).registerTool(…)`. */
export type Needs<Scope extends string, Server extends McpServerLike> = (policy: McpPolicy<Scope>) => Registrar<Server>

const kinds = { registerTool: 'tool', registerResource: 'resource', registerPrompt: 'prompt' } as const

/** Ways around the three, from older days. */
const older = ['tool', 'resource', 'prompt'] as const

/**
 * Gives a server's methods to register with a policy, and takes away those without: a tool that was registered past its guard
 * would be open to every token of the resource.
 */
export function registrarOf<Scope extends string, Server extends McpServerLike>(
  server: Server,
  policies: McpPolicies,
): Needs<Scope, Server> {
  const originals = new Map<string, Method>()
  for (const method of [...Object.keys(kinds), ...older]) {
    const original = (server as Record<string, unknown>)[method]
    if (typeof original !== 'function') continue
    originals.set(method, original.bind(server) as Method)
    Object.assign(server, { [method]: refuseWithoutPolicy })
  }
  if ('experimental' in server) Object.defineProperty(server, 'experimental', { get: refuseTasks })
  // The second line of the SDK asks this of each tool, resource and prompt by itself.
  const hasHook = 'resolveScopeChallenge' in server

  return (policy) => {
    const registrar: Record<string, Method> = {}
    for (const [method, kind] of Object.entries(kinds)) {
      registrar[method] = (...parts) => {
        const [name, template] = subjectOf(kind, parts)
        const rule = policies.add(kind, name, policy, template)
        const handler = parts.pop()
        const config = parts.pop()
        const described = hasHook ? { ...Object(config), scopeChallenge: scopeChallengeOf(rule) } : config
        const subjects = parts.map((part) => guardedTemplate(part, rule))
        const registered = originals.get(method)?.(...subjects, described, guarded(handler, rule))
        return keepGuarded(registered, rule, policies)
      }
    }
    return registrar as unknown as Registrar<Server>
  }
}

type Method = (...parts: unknown[]) => unknown

/** The name of a tool or prompt; the URI of a resource, or the text of its template. */
function subjectOf(kind: McpKind, parts: readonly unknown[]): readonly [string, UriTemplate | undefined] {
  const subject = parts[kind === 'resource' ? 1 : 0]
  if (typeof subject === 'string') return [subject, undefined]
  const { uriTemplate } = Object(subject) as { readonly uriTemplate: UriTemplate }
  return [uriTemplate.toString(), uriTemplate]
}

/** The handler, run only for calls that the rule lets through. Its context comes last, whatever comes before. */
function guarded(handler: unknown, rule: McpRule): unknown {
  if (typeof handler !== 'function') return handler
  const run = (...parts: unknown[]): unknown => {
    const looking = lookAgain(rule, parts)
    const proceed = (): unknown => (handler as Method)(...parts)
    return looking === undefined ? proceed() : looking.then(proceed)
  }
  return run
}

/**
 * A template of resources may list them; what it lists is for those who may read them, and the list of the others goes without. A
 * template may serve several servers, so it is not changed: what is registered only inherits from it.
 */
function guardedTemplate(part: unknown, rule: McpRule): unknown {
  const { listCallback } = Object(part) as { readonly listCallback?: unknown }
  if (typeof listCallback !== 'function') return part
  const list = async (...parts: unknown[]): Promise<unknown> => {
    try {
      await lookAgain(rule, parts)
    } catch (error) {
      if (error instanceof McpCallRefused) return { resources: [] }
      throw error
    }
    return await listCallback.apply(part, parts)
  }
  return Object.create(Object(part), { listCallback: { value: list } })
}

/** What is changed later stays under the same rule: another name is another thing to look for, another handler is one to guard. */
function keepGuarded(registered: unknown, rule: McpRule, policies: McpPolicies): unknown {
  const { update } = Object(registered) as { readonly update?: (changes: Changes) => void }
  if (typeof update !== 'function') return registered
  return Object.assign(Object(registered), {
    update(changes: Changes) {
      const { callback, template } = changes
      const name = rule.kind === 'resource' ? (changes.uri ?? template?.uriTemplate.toString()) : changes.name
      if (typeof name === 'string') policies.add(rule.kind, name, rule.policy, template?.uriTemplate)
      const listed = template === undefined ? {} : { template: guardedTemplate(template, rule) }
      const called = callback === undefined ? {} : { callback: guarded(callback, rule) }
      update({ ...changes, ...listed, ...called } as Changes)
    },
  })
}

interface Changes {
  readonly name?: string | null
  readonly uri?: string | null
  readonly template?: { readonly uriTemplate: UriTemplate }
  readonly callback?: unknown
}

function refuseTasks(): never {
  throw new TypeError('mcpGuard: a tool that runs as a task has no policy')
}

function refuseWithoutPolicy(name: unknown): never {
  throw new TypeError(`mcpGuard: ${JSON.stringify(name)} has no policy: register it through needs({ … })`)
}
