import { policyOf } from './policy/marked.ts'
import type { Policy } from './policy/policy.ts'

/** What a route says about who may call it: a policy, or that everybody may. */
export type AccessRule = Policy | 'open'

/** One route of an application; without a policy where nobody said anything, which {@link requirePolicy} refuses. */
export interface Route {
  /** In capitals; `*` for any. */
  readonly method: string
  /** As the framework has it, with its parameters. */
  readonly path: string
  /** Where several guards stand before a handler, the one nearest to it. */
  readonly policy: AccessRule | undefined
}

/** Registered like the mark of a policy: two copies of this package read each other's. */
const openMark = Symbol.for('arctos.open')

/** Says that a handler is for everybody, so that it is not taken for one that was forgotten. */
export function markOpen<Handler extends (...parts: never[]) => unknown>(handler: Handler): Handler {
  return Object.defineProperty(handler, openMark, { value: true })
}

/** What a guard, a guarded handler or an open one says; `undefined` for any other value. */
export function ruleOf(handler: unknown): AccessRule | undefined {
  const isOpen = typeof handler === 'function' && (handler as { readonly [openMark]?: true })[openMark] === true
  return policyOf(handler) ?? (isOpen ? 'open' : undefined)
}

/** The rule of a chain of handlers, the outermost first: who is guarded once is not opened by a later word. */
export function nearestRule(handlers: readonly unknown[]): AccessRule | undefined {
  const rules = handlers.map(ruleOf).filter((rule) => rule !== undefined)
  return rules.findLast((rule) => rule !== 'open') ?? rules[0]
}

/**
 * Throws a TypeError that names every route without a policy, so that an application does not start with one. Routes for everybody
 * say so: `open()`. No routes at all are a list of something that is no application, or one taken before they were added.
 */
export function requirePolicy(routes: readonly Route[]): void {
  if (routes.length === 0) throw new TypeError('no routes: list those of the application, once all were added')
  const forgotten = routes.filter(({ policy }) => policy === undefined).map(({ method, path }) => `${method} ${path}`)
  if (forgotten.length === 0) return
  throw new TypeError(`no policy: ${forgotten.join(', ')}; protect each, or declare it open`)
}
