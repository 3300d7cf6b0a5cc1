import { isJsonObject, type JsonObject } from '@arctos/core'
import type { DetailsPolicy } from '../../policy/authorization-details.ts'
import type { Policy } from '../../policy/policy.ts'

/** Stands for an argument of the call in a policy, which so stays plain data. */
export interface Argument {
  readonly argument: string
}

type OrArgument<Value> = Value extends string | number | boolean | undefined
  ? Value | Argument
  : Value extends readonly (infer Part)[]
    ? readonly OrArgument<Part>[]
    : { readonly [Name in keyof Value]: OrArgument<Value[Name]> }

/** What must have been granted, by the arguments of the call: `members: { amount: { atLeast: argument('amount') } }`. RFC 9396 §9 */
export type McpDetailsPolicy = OrArgument<DetailsPolicy>

/** A policy of a tool, resource or prompt. */
export interface McpPolicy<Scope extends string = string> extends Omit<Policy<Scope>, 'authorizationDetails'> {
  readonly authorizationDetails?: McpDetailsPolicy | readonly McpDetailsPolicy[]
}

/** The argument of this name of whatever call the policy is held to. */
export function argument(name: string): Argument {
  return { argument: name }
}

/** Whether a part of a policy stands for an argument. */
function isArgument(value: unknown): value is Argument {
  return isJsonObject(value) && typeof value['argument'] === 'string' && Object.keys(value).length === 1
}

/** Whether a policy has to be read anew for each call. */
export function hasArguments(policy: McpPolicy): boolean {
  return some(policy.authorizationDetails)
}

function some(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return isArgument(value) || Object.values(value).some(some)
}

/**
 * The policy of one call. An argument that the client did not send, or one that is no text, number or boolean, stays `undefined`,
 * which no policy takes: what a schema would put in its place is not known here.
 */
export function withArguments(policy: McpPolicy, values: JsonObject): Policy {
  return fill(policy, (name) => (Object.hasOwn(values, name) ? values[name] : undefined)) as Policy
}

/** The same with something in the place of every argument, to find mistakes in the rest at start. */
export function withSamples(policy: McpPolicy): Policy {
  return fill(policy, () => '0') as Policy
}

function fill(value: unknown, lookUp: (name: string) => unknown): unknown {
  if (isArgument(value)) {
    const found = lookUp(value.argument)
    return typeof found === 'object' ? undefined : found
  }
  if (Array.isArray(value)) return value.map((part) => fill(part, lookUp))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, fill(part, lookUp)]))
}
