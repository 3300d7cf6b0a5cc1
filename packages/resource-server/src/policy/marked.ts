import type { Policy } from './policy.ts'

/** Registered, so that two copies of this package in one process (two versions, two bundles) read each other's marks. */
const mark = Symbol.for('arctos.policy')

type Handler = (...parts: never[]) => unknown

/**
 * Puts the policy on a function that enforces it, so that an application can list its routes with {@link policyOf}. What is read
 * back is a frozen copy: it says what was enforced at start, whatever happened to the object since.
 */
export function markPolicy<Guarded extends Handler>(handler: Guarded, policy: Policy): Guarded {
  return Object.defineProperty(handler, mark, { value: frozenCopy(policy) })
}

/** The policy that a guard, or a handler made by `protect`, enforces; `undefined` for any other value. */
export function policyOf(handler: unknown): Policy | undefined {
  return typeof handler === 'function' ? (handler as { readonly [mark]?: Policy })[mark] : undefined
}

function frozenCopy<Value>(value: Value): Value {
  return freeze(structuredClone(value))
}

function freeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value
  for (const part of Object.values(value)) freeze(part)
  return Object.freeze(value)
}
