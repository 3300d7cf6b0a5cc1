/** One challenge of a `WWW-Authenticate` header. */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string
  /** In the order in which they came, names in lower case; a name may repeat. */
  readonly parameters: readonly (readonly [name: string, value: string])[]
}

const token = String.raw`[!#$%&'*+.^_\`|~0-9A-Za-z-]+`
const challengeStart = new RegExp(`^\\s*(?:,\\s*)*(${token})(?:\\s+|$|(?=\\s*,))`)
const parameter = new RegExp(`^\\s*(?:,\\s*)*(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))\\s*(?=,|$)`)

/** Reads every challenge of a header. Throws on text that is none. RFC 9110 §11.6.1 */
export function readChallenges(header: string | null): readonly Challenge[] {
  const challenges: { scheme: string; parameters: [string, string][] }[] = []
  let rest = header ?? ''
  while (rest.trim() !== '') {
    const pair = challenges.length === 0 ? null : parameter.exec(rest)
    if (pair !== null) {
      const [, name = '', quoted, bare = ''] = pair
      challenges.at(-1)?.parameters.push([name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? bare])
      rest = rest.slice(pair[0].length)
      continue
    }
    const start = challengeStart.exec(rest)
    if (start === null) throw new Error(`not a challenge: ${header}`)
    challenges.push({ scheme: (start[1] ?? '').toLowerCase(), parameters: [] })
    rest = rest.slice(start[0].length)
  }
  return challenges
}

/** The value of a parameter that should be there once. */
export function parameterOf(challenge: Challenge | undefined, name: string): string | undefined {
  return challenge?.parameters.find(([each]) => each === name)?.[1]
}
