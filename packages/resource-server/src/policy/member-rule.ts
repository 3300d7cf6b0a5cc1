import { type AuthorizationDetail, isJsonObject, type JsonValue } from '@arctos/core'
import { checkMembers, isPlain, policyMistake } from './mistake.ts'

type Scalar = string | number | boolean

/** What a granted member must be; all that is said must hold. */
export interface MemberRule {
  readonly equals?: Scalar
  readonly oneOf?: readonly Scalar[]
  /** The granted member is a list with this in it. */
  readonly includes?: Scalar
  /** The granted limit is this or more: a JSON number, or a decimal number as text of at most 15 digits. */
  readonly atLeast?: number | string
  readonly atMost?: number | string
}

interface RulePart {
  readonly name: string
  readonly holds: (detail: AuthorizationDetail) => boolean
}

type Comparison = (granted: JsonValue) => boolean

/** How each rule is read: from what it was given to a comparison with what was granted; `undefined` for a value that it cannot use. */
const rules: Readonly<Record<string, (wanted: unknown) => Comparison | undefined>> = {
  equals: (wanted) => (isScalar(wanted) ? (granted) => granted === wanted : undefined),
  oneOf(wanted) {
    if (!Array.isArray(wanted) || wanted.length === 0 || !wanted.every(isScalar)) return undefined
    const values: readonly unknown[] = [...wanted]
    return (granted) => values.includes(granted)
  },
  includes: (wanted) =>
    isScalar(wanted) ? (granted) => Array.isArray(granted) && granted.includes(wanted) : undefined,
  atLeast: (wanted) => compare(wanted, (granted, limit) => granted >= limit),
  atMost: (wanted) => compare(wanted, (granted, limit) => granted <= limit),
}

/** Reads rules by path; throws a TypeError that names the member. */
export function readMemberRules(members: unknown, path: string): readonly RulePart[] {
  const allowed = 'are rules by the path of a member'
  if (!isPlain(members) || Object.keys(members).length === 0) throw policyMistake(path, members, allowed)
  return Object.entries(members).flatMap(([name, rule]) => {
    const steps = name.split('.')
    const known = Object.keys(rules)
    if (steps.includes('')) throw policyMistake(path, name, 'are names with a dot between')
    if (!isPlain(rule) || Object.keys(rule).length === 0) {
      throw policyMistake(`${path}.${name}`, rule, `is an object with ${known.join(', ')}`)
    }
    checkMembers(rule, known, `${path}.${name}`)
    return Object.entries(rule).map(([kind, wanted]) => {
      const comparison = rules[kind]?.(wanted)
      if (comparison === undefined) throw policyMistake(`${path}.${name}.${kind}`, wanted, 'is a value to compare with')
      return { name: `${name} ${kind}`, holds: (detail: AuthorizationDetail) => isHeld(detail, steps, comparison) }
    })
  })
}

function isHeld(detail: AuthorizationDetail, steps: readonly string[], comparison: Comparison): boolean {
  let value: JsonValue | undefined = detail
  for (const step of steps) {
    // Only members of its own: every object has a `constructor`.
    if (!isJsonObject(value) || !Object.hasOwn(value, step)) return false
    value = value[step]
  }
  return value !== undefined && comparison(value)
}

function isScalar(value: unknown): value is Scalar {
  return (
    typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
  )
}

function compare(wanted: unknown, holds: (granted: number, limit: number) => boolean): Comparison | undefined {
  const limit = readDecimal(wanted)
  if (limit === undefined) return undefined
  return (granted) => {
    const value = readDecimal(granted)
    return value !== undefined && holds(value, limit)
  }
}

const decimal = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/

/** Amounts are texts in many types. Beyond 15 digits two of them may be the same number of the machine, so those do not compare. */
function readDecimal(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value !== 'string' || !decimal.test(value)) return undefined
  return value.replace(/[-.]/g, '').length <= 15 ? Number(value) : undefined
}
