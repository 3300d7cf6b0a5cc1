const token = "[!#$%&'*+\\-.^_`|~\\w]+"
const parameter = new RegExp(`^(${token})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))[ \\t]*`)
const scheme = new RegExp(`^(${token})(?=[ \\t,]|$)[ \\t]*`)

/** The challenge for Bearer: its parameters by lower-case name; `absent`, or `unreadable` for a header outside the grammar. */
export type BearerChallenge = ReadonlyMap<string, string> | 'absent' | 'unreadable'

/**
 * Reads `WWW-Authenticate` as strictly as it is written down: schemes, parameters as tokens or quoted strings, each name once in
 * a challenge, commas between. RFC 9110 §11.6.1, RFC 6750 §3
 */
export function readBearerChallenge(header: string | undefined): BearerChallenge {
  if (header === undefined) return 'absent'
  let bearer: BearerChallenge = 'absent'
  let current: Map<string, string> | undefined
  let rest = header.trim()
  while (rest !== '') {
    const found = current && parameter.exec(rest)
    if (current && found) {
      const [all, name = '', quoted, plain] = found
      if (current.has(name.toLowerCase())) return 'unreadable'
      current.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '')
      rest = rest.slice(all.length)
    } else {
      const [all, name] = scheme.exec(rest) ?? []
      if (all === undefined || name === undefined) return 'unreadable'
      current = new Map()
      if (name.toLowerCase() === 'bearer') {
        if (bearer !== 'absent') return 'unreadable'
        bearer = current
      }
      rest = rest.slice(all.length)
    }
    if (rest === '') break
    if (current?.size === 0 && !rest.startsWith(',')) continue
    if (!rest.startsWith(',')) return 'unreadable'
    rest = rest.replace(/^[ \t,]+/, '')
  }
  return bearer
}
