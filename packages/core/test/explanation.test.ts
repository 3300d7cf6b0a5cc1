import { describe, expect, it } from 'vitest'
import { explainRefusal, formatExplanation, refusalRow } from '../src/index.ts'

describe('explanation', () => {
  it('puts the facts beside the row of the table', () => {
    expect(explainRefusal('token.audience', { check: 'audience', expected: 'a', received: 'b', other: 1 })).toEqual({
      reason: 'token.audience',
      status: 401,
      error: 'invalid_token',
      check: 'audience',
      expected: 'a',
      received: 'b',
      spec: 'RFC 9068 §4',
      fix: refusalRow('token.audience').fix,
    })
  })

  it('names the reason where the facts name no check', () => {
    expect(explainRefusal('token.key_unknown', {}).check).toBe('token.key_unknown')
    expect(explainRefusal('token.key_unknown', { check: 7 }).check).toBe('token.key_unknown')
  })

  it('is written in lines: answer, check, both sides, fix', () => {
    const { fix } = refusalRow('token.expired')
    expect(formatExplanation(explainRefusal('token.expired', { check: 'expiry', expected: 5, received: 3 }))).toEqual([
      '401 invalid_token  (token.expired, RFC 9068 §4)',
      '  check     expiry',
      '  expected  5',
      '  received  3',
      `  fix       ${fix}`,
    ])
  })

  it('leaves out the side that is not known, and says so where no error is named', () => {
    const lines = formatExplanation(explainRefusal('credentials.missing', {}))
    expect(lines[0]).toBe('401 no credentials  (credentials.missing, RFC 6750 §3.1)')
    expect(lines).toHaveLength(3)
  })

  it('shows false and zero, which are values too', () => {
    const lines = formatExplanation(explainRefusal('token.expired', { expected: 0, received: false }))
    expect(lines.slice(2, 4)).toEqual(['  expected  0', '  received  false'])
  })

  it('cannot draw on the terminal with what was received', () => {
    const drawing = '\u001b[31mred\r\n\u202eevil\u0007'
    for (const name of ['check', 'expected', 'received']) {
      const lines = formatExplanation(explainRefusal('token.issuer', { [name]: drawing }))
      for (const line of lines) expect(line).toMatch(/^[\x20-\x7e§]*$/)
      expect(lines.join()).toContain('?[31mred???evil?')
    }
  })
})
