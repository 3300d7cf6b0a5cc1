import { describe, expect, it } from 'vitest'
import { isReason, type Reason, Refusal, refusalRow, refusals } from '../src/index.ts'

const reasons = Object.keys(refusals) as Reason[]
const wireOf = (reason: Reason): string => {
  const { code, status, sentence } = refusalRow(reason)
  return `${status} ${code} ${sentence}`
}

describe.each(reasons)('refusal %s', (reason) => {
  const row = refusalRow(reason)

  it('keeps to the characters of error and error_description [RFC 6749 §5.2(c)(d), RFC 6750 §3(h)]', () => {
    const allowed = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/
    expect(row.code).toMatch(allowed)
    expect(row.sentence).toMatch(allowed)
  })

  it('has a status that fits its code', () => {
    const statuses: Readonly<Record<string, readonly number[]>> = {
      '': [401],
      invalid_request: [400, 405, 406, 409, 413, 501],
      invalid_client: [400, 401],
      invalid_token: [401],
      insufficient_scope: [403],
      insufficient_user_authentication: [401],
      temporarily_unavailable: [429, 503],
      server_error: [500],
      access_denied: [400, 403],
      not_found: [404],
    }
    expect(statuses[row.code] ?? [400]).toContain(row.status)
  })

  it('names the clause that asks for it, and what to do', () => {
    expect(row.spec).toMatch(/^(RFC \d+( §\d+(\.\d+)*)?|OpenID (Connect Core|SSF) §[\d.]+)$/)
    expect(row.fix).toMatch(/^[A-Z].*\.$/)
  })
})

describe('table of refusals', () => {
  it.each(['client.', 'code.', 'refresh.', 'token.'])(
    'answers alike to all of %s* that an attacker could tell apart',
    (prefix) => {
      // A good token that is not enough for this request is no bad token: the honest client has to know.
      const good = reasons.filter((reason) => refusalRow(reason).code.startsWith('insufficient_'))
      const others = ['client.grant_type_not_allowed', ...good]
      const group = reasons.filter((reason) => reason.startsWith(prefix) && !others.includes(reason))
      expect(group.length).toBeGreaterThan(4)
      expect(new Set(group.map(wireOf)).size).toBe(1)
    },
  )

  it('answers alike to codes and refresh tokens', () => {
    expect(wireOf('code.unknown')).toBe(wireOf('refresh.reused'))
  })

  it.each<readonly [string, readonly Reason[]]>([
    ['users', ['refresh.principal_disabled', 'page.sign_in_failed']],
    ['other clients', ['client.unknown', 'client.secret_wrong', 'client.disabled', 'authorize.client_unknown']],
    ['thresholds and alarms', ['code.too_many_attempts', 'request.limited', 'refresh.forked', 'store.rolled_back']],
    ['our own faults', ['server.fault']],
  ])('is explained to the operator alone where it would tell about %s', (_name, rows) => {
    for (const reason of rows) expect([reason, refusalRow(reason).readers]).toEqual([reason, 'nobody'])
  })

  it('cannot be mistaken for a member of every object', () => {
    expect(isReason('token.expired')).toBe(true)
    expect(['', 'toString', '__proto__', 'constructor', 'token'].some(isReason)).toBe(false)
  })
})

describe('Refusal', () => {
  it('is an error that says its fixed sentence, and keeps the facts to itself', () => {
    const refusal = new Refusal('token.expired', { expected: 1, received: 2 })
    expect(refusal).toBeInstanceOf(Error)
    expect([refusal.name, refusal.message]).toEqual(['Refusal', 'The access token is invalid, expired or was revoked.'])
    expect([refusal.reason, refusal.facts]).toEqual(['token.expired', { expected: 1, received: 2 }])
  })

  it('says its reason where the table has no sentence', () => {
    expect(new Refusal('credentials.missing').message).toBe('credentials.missing')
  })

  it('carries no stack, and leaves the stacks of other errors as they are', () => {
    expect(new Refusal('token.expired').stack).not.toContain('\n')
    expect(new Error('a').stack?.split('\n').length).toBeGreaterThan(1)
  })
})
