import type { ReceivedAnswer, SentRequest } from './asking.ts'
import { type BearerChallenge, readBearerChallenge } from './bearer-challenge.ts'
import type { ExpectedAnswer, GuardVector } from './guard-vector.ts'

/** What came of one vector. */
export interface Judgement {
  readonly passed: boolean
  /** The right answer, in words such as `401 invalid_token`. */
  readonly expected: string
  /** The given one, in the same words. */
  readonly received: string
}

/** What is known about an answer besides itself. */
export interface Circumstances {
  /** The scope that the route needs. */
  readonly scope: string
  /** Why it was refused, as the operator learns it; only where that can be found out. */
  readonly reason?: string | undefined
  /** What the handler behind the guard answers to a good token. */
  readonly inside?: string | undefined
  /** Whether something was fetched that only the token names. */
  readonly isTrapped?: boolean
}

// A word that a request brings, and that no answer may repeat.
const brought = 'evil.example'
/** A credential of this length or less may be there by chance. */
const shortest = 20

/** Compares an answer with the only right one. */
export function judgeAnswer(
  { expected }: GuardVector,
  sent: SentRequest,
  answer: ReceivedAnswer,
  circumstances: Circumstances,
): Judgement {
  // Where no reason is demanded, or none can be found out, none is compared.
  const reason = expected.reason === undefined ? undefined : circumstances.reason
  const right = describeExpected(expected, reason !== undefined)
  const faults = faultsOf(expected, sent, answer, circumstances)
  const given = describeGiven(expected, answer, { ...circumstances, reason })
  const isOtherwiseRight = expected.otherwise?.includes(answer.status) === true
  const passed = faults.length === 0 && (given === right || isOtherwiseRight)
  return { passed, expected: right, received: [given, ...faults].join('; ') }
}

function describeExpected({ status, challenge, error = '', reason }: ExpectedAnswer, isReasonKnown: boolean): string {
  const shape = { none: '', bare: 'bare challenge', code: error }[challenge]
  const when = status === 503 ? 'with Retry-After' : ''
  return words(status === 200 ? 'let in' : String(status), shape, when, isReasonKnown ? reason : '')
}

function describeGiven(expected: ExpectedAnswer, answer: ReceivedAnswer, { scope, reason }: Circumstances): string {
  const { status, headers } = answer
  const challenge = readBearerChallenge(headers['www-authenticate'])
  if (status >= 200 && status < 300) return 'let in'
  const isServerError = status >= 500
  const shape = isServerError && challenge === 'absent' ? '' : describeChallenge(challenge)
  const when = status === 503 && headers['retry-after'] !== undefined ? 'with Retry-After' : ''
  const lack = expected.status === 403 && status === 403 && !namesScope(challenge, scope) ? 'without the scope' : ''
  return words(String(status), shape, when, lack, reason)
}

function describeChallenge(challenge: BearerChallenge): string {
  if (challenge === 'absent') return 'no challenge'
  if (challenge === 'unreadable') return 'unreadable challenge'
  return challenge.get('error') ?? 'bare challenge'
}

/** RFC 6750 §3: what to ask for is in the challenge. */
function namesScope(challenge: BearerChallenge, scope: string): boolean {
  return typeof challenge === 'object' && challenge.get('scope')?.split(' ').includes(scope) === true
}

function faultsOf(
  expected: ExpectedAnswer,
  sent: SentRequest,
  { status, headers, body }: ReceivedAnswer,
  { isTrapped, inside }: Circumstances,
): string[] {
  const faults: string[] = []
  if (isTrapped === true) faults.push('fetched what the token names')
  // Whatever the status says, what is behind the guard must not be seen.
  if (expected.status !== 200 && inside !== undefined && inside !== '' && body === inside)
    faults.push('reached the handler')
  if (status >= 200 && status < 300) return faults
  const text = `${Object.values(headers).join('\n')}\n${body}`
  const lines = sent.authorization ?? []
  const credentials = lines.map((value) => value.replace(/^\S+ +/, '')).filter((value) => value.length > shortest)
  if (credentials.some((credential) => text.includes(credential))) faults.push('repeats the token')
  if (text.includes(brought)) faults.push('repeats what the request claims')
  return faults
}

function words(...parts: readonly (string | undefined)[]): string {
  return parts.filter(Boolean).join(' ')
}
