import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  formatOpaqueToken,
  opaqueByteLengths,
  opaqueKinds,
  parseOpaqueToken,
  type SecretEnvironment,
  secretEnvironments,
  secretPatterns,
} from '../src/index.ts'

const whole = secretPatterns.map(({ kind, regex }) => ({ kind, regex: new RegExp(`^(?:${regex})$`) }))

describe('the published patterns', () => {
  it('are one for each kind, under a name of its own', () => {
    expect(secretPatterns.map(({ kind }) => kind)).toEqual(Object.keys(opaqueKinds))
    expect(new Set(secretPatterns.map(({ id }) => id)).size).toBe(secretPatterns.length)
  })

  it('match each of 100,000 made secrets by its own kind, and by no other', () => {
    const rounds = Math.ceil(100_000 / (secretPatterns.length * secretEnvironments.length))
    const odd: string[] = []
    for (const { kind } of secretPatterns) {
      const length = opaqueByteLengths[kind]
      const drawn = randomBytes(length * rounds)
      for (let at = 0; at < drawn.byteLength; at += length) {
        for (const environment of secretEnvironments) {
          const text = formatOpaqueToken(kind, drawn.subarray(at, at + length), environment).reveal()
          const matching = whole.filter(({ regex }) => regex.test(text))
          if (matching.length !== 1 || matching[0]?.kind !== kind) odd.push(text)
        }
      }
    }
    expect(odd).toEqual([])
  })

  it('find a secret wherever it stands in a text', () => {
    for (const { kind, regex, keywords } of secretPatterns) {
      for (const environment of secretEnvironments) {
        const text = made(kind, environment)
        const log = `{"line":"Authorization: Bearer\\n${text}\\r"} url=%22${text}%22 X=${text}`
        expect(log.match(new RegExp(regex, 'g'))).toEqual([text, text, text])
        expect(keywords.some((word) => log.toLowerCase().includes(word))).toBe(true)
      }
    }
  })

  it('are of the plain kind that every engine runs in linear time', () => {
    for (const { regex } of secretPatterns) {
      expect(regex).toMatch(/^arctos_\(\?:test_\)\?[a-z]{2}_\[0-9A-Za-z\]\{\d{2,3}\}$/)
    }
  })

  it('let a scanner find what only begins like a secret, and the checksum turns it away', () => {
    for (const { kind, regex } of secretPatterns) {
      const text = made(kind, 'live')
      // The last character is one of 62 digits, and only one of them fits.
      const last = text.endsWith('0') ? '1' : '0'
      const altered = text.slice(0, -1) + last
      const alike = opaqueKinds[kind] + 'A'.repeat(text.length - opaqueKinds[kind].length)
      for (const each of [altered, alike]) {
        expect(each).toMatch(new RegExp(regex))
        expect(parseOpaqueToken(kind, each)).toBeUndefined()
      }
    }
  })
})

function made(kind: keyof typeof opaqueKinds, environment: SecretEnvironment): string {
  return formatOpaqueToken(kind, randomBytes(opaqueByteLengths[kind]), environment).reveal()
}
