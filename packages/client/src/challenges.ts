import { isScopeWord, resourceKey } from '@arctos/core'

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

/** What a resource demands of a token that is good otherwise, as its challenge says it. */
export interface AccessDemand {
  readonly reason: 'insufficient_scope' | 'insufficient_user_authentication'
  /** Scope words that are needed; empty where the challenge does not say. */
  readonly scope: readonly string[]
  /** Classes of authentication of which one is needed, the preferred one first; empty: any. */
  readonly acrValues: readonly string[]
  /** How long ago the user may have signed in at the most. */
  readonly maxAgeSeconds: number | undefined
}

/** As much of a response as says what it demands. */
export interface ChallengedResponse {
  readonly status: number
  readonly headers: Pick<Headers, 'get'>
}

const wordLimit = 100

/**
 * What an answer of a resource demands beyond a good token: 403 `insufficient_scope` (RFC 6750 §3.1), 401
 * `insufficient_user_authentication` (RFC 9470 §3). `undefined` for every other answer, and for a challenge that names nothing
 * that could be asked for. It reads headers only: the answer stays as it is.
 */
export function readChallenge(response: ChallengedResponse): AccessDemand | undefined {
  const header = response.headers.get('www-authenticate')
  if (header === null || (response.status !== 401 && response.status !== 403)) return undefined
  const reason = response.status === 403 ? 'insufficient_scope' : 'insufficient_user_authentication'
  const challenge = parseChallenges(header).find(
    ({ scheme, parameters }) => scheme === 'bearer' && parameters.get('error') === reason,
  )
  if (challenge === undefined) return undefined
  const { parameters } = challenge
  const isAuthentication = reason === 'insufficient_user_authentication'
  const maxAge = isAuthentication ? parameters.get('max_age') : undefined
  const demand = {
    reason,
    scope: readWords(parameters.get('scope')),
    acrValues: isAuthentication ? readWords(parameters.get('acr_values')) : [],
    maxAgeSeconds: maxAge !== undefined && /^\d{1,9}$/.test(maxAge) ? Number(maxAge) : undefined,
  } as const
  const isAskable = isAuthentication
    ? demand.acrValues.length > 0 || demand.maxAgeSeconds !== undefined
    : demand.scope.length > 0
  return isAskable ? demand : undefined
}

/** Words that can go into a request; none of them where one cannot. */
function readWords(text: string | undefined): readonly string[] {
  const words = [...new Set((text ?? '').split(' ').filter((word) => word !== ''))]
  return words.length <= wordLimit && words.every(isScopeWord) ? words : []
}

/** The same for two demands of the same at one resource. */
export function demandKey(resource: string, { reason, scope, acrValues, maxAgeSeconds }: AccessDemand): string {
  return JSON.stringify([resourceKey(resource), reason, [...scope].sort(), acrValues, maxAgeSeconds])
}
