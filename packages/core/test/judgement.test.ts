import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type AccessToken,
  checkAccessTokenClaims,
  type JsonValue,
  Refusal,
  recordingJudge,
  refusalRow,
  type Step,
  stepOfRefusal,
  strictJudge,
} from '../src/index.ts'
import { claimsWith, expected, goodClaims, now } from './access-token-claims.ts'
import { refusalOf } from './refusal-of.ts'

const everyCheck = [
  'issuer',
  'audience',
  'expiry claim',
  'expiry',
  'issue time claim',
  'start claim',
  'issue time',
  'subject',
  'client',
  'token id',
  'sender constraint',
  'scope claim',
]

type Changes = Readonly<Record<string, JsonValue | undefined>>
const record = (
  changes: Changes,
  allowUntyped = false,
): { readonly steps: readonly Step[]; readonly token: AccessToken } => {
  const { judge, steps } = recordingJudge()
  const token = checkAccessTokenClaims(claimsWith(changes), { ...expected, allowUntyped }, now, judge)
  return { steps, token }
}

/** Claims of which each may be good, missing, or of a wrong type or value. */
const wrong = fc.constantFrom<JsonValue | undefined>(
  undefined,
  null,
  '',
  'x',
  0,
  -1,
  1e300,
  now,
  now + 11,
  now - 11,
  true,
  [],
  ['x'],
  {},
)
const names = [...Object.keys(goodClaims), 'nbf', 'cnf', 'nonce', 'scp', 'grant_id']
// Few at a time, or hardly any token would get past the first check.
const changes = fc.dictionary(fc.constantFrom(...names), wrong, { maxKeys: 3 })

describe('recording judge', () => {
  it('lists every check of a good token in order, each passed', () => {
    const { steps } = record({})
    expect(steps.map(({ check }) => check)).toEqual(everyCheck)
    expect(steps.every(({ passed, reason }) => passed && reason === undefined)).toBe(true)
  })

  it('lists the check for ID tokens where typ JWT is allowed', () => {
    expect(record({}, true).steps.map(({ check }) => check)).toEqual(everyCheck.toSpliced(10, 0, 'not an ID token'))
  })

  it('goes on after a check that failed, so that an explanation shows all of them', () => {
    const { steps } = record({ iss: 'x', aud: 'x', exp: 0, iat: now + 11, cnf: {}, jti: undefined, scope: 1 })
    expect(steps.map(({ check }) => check)).toEqual(everyCheck)
    expect(steps.filter(({ passed }) => !passed).map(({ reason }) => reason)).toEqual([
      'token.issuer',
      'token.audience',
      'token.expired',
      'token.issued_in_future',
      'token.claim_invalid',
      'token.sender_constrained',
      'token.claim_invalid',
    ])
  })

  it('shows both sides and the clause of each check', () => {
    expect(record({ aud: ['https://a.example', 'https://b.example'] }).steps[1]).toEqual({
      check: 'audience',
      passed: false,
      expected: 'https://api.example.com',
      received: 'https://a.example https://b.example',
      spec: refusalRow('token.audience').spec,
      reason: 'token.audience',
    })
  })

  it('keeps the steps of two decisions apart', () => {
    const [one, other] = [recordingJudge(), recordingJudge()]
    one.judge('check', true, 'token.type', undefined, undefined)
    expect([one.steps.length, other.steps.length]).toEqual([1, 0])
  })
})

describe('strict judge', () => {
  it('throws at the first check that fails', () => {
    expect(() => strictJudge('check', true, 'token.type', 1, 2)).not.toThrow()
    const refusal = refusalOf(() => strictJudge('check', false, 'token.type', 1, 2))
    expect([refusal.reason, refusal.facts]).toEqual(['token.type', { check: 'check', expected: 1, received: 2 }])
  })
})

describe('both judges', () => {
  it('agree on every token: what is explained is what was decided', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(changes, fc.boolean(), (change, allowUntyped) => {
        const { steps, token } = record(change, allowUntyped)
        const first = steps.find(({ passed }) => !passed)
        const decide = () => checkAccessTokenClaims(claimsWith(change), { ...expected, allowUntyped }, now)
        if (first === undefined) {
          expect(decide()).toEqual(token)
        } else {
          expect(stepOfRefusal(refusalOf(decide))).toEqual(first)
        }
        seen.add(first?.reason ?? 'accepted')
      }),
      { numRuns: 2_000 },
    )
    expect(seen.size).toBeGreaterThan(5)
  })
})

describe('stepOfRefusal', () => {
  it('names the reason where a refusal names no check', () => {
    expect(stepOfRefusal(new Refusal('token.key_unknown'))).toEqual({
      check: 'token.key_unknown',
      passed: false,
      expected: undefined,
      received: undefined,
      spec: 'RFC 9068 §4',
      reason: 'token.key_unknown',
    })
  })
})
