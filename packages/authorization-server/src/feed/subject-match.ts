import { isDeepStrictEqual } from 'node:util'
import { isJsonObject, type JsonObject } from '@arctos/core'

/**
 * Whether an event about one subject is about another that a receiver named: simple ones are identical, complex ones agree in every
 * member that both have (SSF §8.1.3.1).
 */
export function matchesSubject(named: JsonObject, told: JsonObject): boolean {
  if (named['format'] !== 'complex' || told['format'] !== 'complex') return isDeepStrictEqual(named, told)
  return Object.entries(named).every(([member, value]) => {
    const other = told[member]
    return other === undefined || isDeepStrictEqual(value, other)
  })
}

/** Whether a value can name a subject: an object with a format, of which a complex one has members that are simple (SSF §3). */
export function isSubject(value: unknown): value is JsonObject {
  if (!isJsonObject(value) || typeof value['format'] !== 'string') return false
  const members = Object.entries(value).filter(([name]) => name !== 'format')
  if (members.length === 0) return false
  if (value['format'] !== 'complex') return true
  return members.every(
    ([, each]) => isJsonObject(each) && typeof each['format'] === 'string' && each['format'] !== 'complex',
  )
}
