/** A policy that is no policy: says which member, what it is and what is allowed. Thrown when a route is set up. */
export function policyMistake(member: string, received: unknown, allowed: string): TypeError {
  return new TypeError(`policy: ${member} is ${describe(received)}; allowed ${allowed}`)
}

/** Throws for members that nobody reads (a typo must not open a route) and for members without a value. */
export function checkMembers(value: object, names: readonly string[], path: string): void {
  for (const [name, part] of Object.entries(value)) {
    const member = path === '' ? name : `${path}.${name}`
    if (!names.includes(name)) throw policyMistake(member, part, `are ${names.join(', ')}`)
    if (part === undefined) throw policyMistake(member, part, 'is a value, or no such member')
  }
}

/** Whether a value is an object with members: no list, no null. */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** One word or a list of words, as a list; it may not be empty, which would demand nothing. */
export function readWords(value: unknown, member: string, allowed: string): readonly string[] {
  const words: unknown = typeof value === 'string' ? [value] : value
  if (!Array.isArray(words) || words.length === 0) throw policyMistake(member, value, allowed)
  for (const word of words) {
    if (typeof word !== 'string' || word === '') throw policyMistake(member, word, allowed)
  }
  return [...words]
}

function describe(value: unknown): string {
  if (Array.isArray(value) && value.length === 0) return 'an empty list'
  return value === undefined ? 'undefined' : (JSON.stringify(value) ?? typeof value).slice(0, 120)
}
