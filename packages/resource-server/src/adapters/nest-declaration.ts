import type { GuardRequest } from '../request/guard-request.ts'
import type { Decision } from '../resource-server.ts'
import type { AccessRule } from '../routes.ts'

/** What `@Protect` or `@Open` says of a controller or of one of its methods. */
export interface Declaration {
  readonly rule: AccessRule
  /** Enforces the rule, where it is a policy. */
  readonly decide?: (request: GuardRequest) => Promise<Decision>
}

/** What `reflect-metadata`, which Nest needs, adds to `Reflect`. */
interface ReflectMetadata {
  defineMetadata(key: symbol, value: Declaration, target: object): void
  getMetadata(key: symbol, target: object): Declaration | undefined
}

const key = Symbol.for('arctos.access')

/**
 * Kept as metadata, as Nest keeps its routes: decorators that put another function in the place of a method copy it along, and
 * a rule that got lost there would leave the method to that of its class.
 */
export function declare(target: object, declaration: Declaration): void {
  const before = declaredOn(target)
  // Who is guarded once, also by a class that this one extends, is not opened by another word.
  if (declaration.rule === 'open' && before !== undefined) return
  reflect().defineMetadata(key, declaration, target)
}

/** What was said of a controller, also of one that it extends, or of a method. */
export function declaredOn(target: object): Declaration | undefined {
  return reflect().getMetadata(key, target)
}

function reflect(): ReflectMetadata {
  return Reflect as unknown as ReflectMetadata
}
