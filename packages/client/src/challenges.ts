/** One challenge of a `WWW-Authenticate` header: its scheme in lower case, its parameters by lower-case name. */
export interface ReceivedChallenge {
  readonly scheme: string
  readonly parameters: ReadonlyMap<string, string>
}

const lengthLimit = 8_192
// A parameter, or a scheme that may be followed by a token68, with the comma that separates list elements (RFC 9110 §11.6.1).
const parameter = /([!#$%&'*+\-.^_`|~\w]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+\-.^_`|~\w]+))[ \t]*(?=,|$)/y
const scheme = /([!#$%&'*+\-.^_`|~\w]+)(?:[ \t]+[A-Za-z0-9\-._~+/]+=*[ \t]*(?=,|$)|[ \t]*(?=,|$)|[ \t]+)/y
const separators = /[ \t,]*/y

/**
 * Reads all challenges of a `WWW-Authenticate` header, as several headers are joined into one (RFC 9110 §11.6.1). What cannot be
 * read ends the list: the challenges before it still stand.
 */
export function parseChallenges(header: string): readonly ReceivedChallenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = []
  const text = header.slice(0, lengthLimit)
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at
    const match = pattern.exec(text) ?? undefined
    if (match !== undefined) at = pattern.lastIndex
    return match
  }
  for (take(separators); at < text.length; take(separators)) {
    const current = challenges.at(-1)
    const found = current && take(parameter)
    if (current && found) {
      // The first of two equal names counts: a later one may have been added by someone on the way.
      const [, name = '', quoted, token] = found
      const value = quoted?.replace(/\\(.)/g, '$1') ?? token ?? ''
      if (!current.parameters.has(name.toLowerCase())) current.parameters.set(name.toLowerCase(), value)
      continue
    }
    const named = take(scheme)
    if (named === undefined) break
    challenges.push({ scheme: (named[1] ?? '').toLowerCase(), parameters: new Map() })
  }
  return challenges
}

/** Whether an answer says that the Bearer token itself is no good: 401 with `error="invalid_token"` (RFC 6750 §3.1). */
export function rejectsToken(response: Response): boolean {
  if (response.status !== 401) return false
  const header = response.headers.get('www-authenticate')
  if (header === null) return false
  return parseChallenges(header).some(
    (challenge) => challenge.scheme === 'bearer' && challenge.parameters.get('error') === 'invalid_token',
  )
}
