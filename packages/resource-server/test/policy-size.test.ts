import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { resourceServer } from '../src/index.ts'
import { type Issuer, resource, startIssuer } from './issuer.ts'
import { reasonOf } from './policy-demands.ts'

const words = Array.from({ length: 1_000 }, (_, index) => `w${index}`)
let issuer: Issuer

beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())

// How much work they are is counted where scopes are compared, in the tests of core.
describe('1,000 scopes', () => {
  const texts = Object.fromEntries(words.map((word) => [word, word]))
  const reasonFor = async (scope: readonly string[] | { readonly any: readonly string[] }, held: readonly string[]) => {
    const api = resourceServer({ resource, authorizationServers: [issuer.issuer], scopes: texts, journal: () => {} })
    const headers = { authorization: `Bearer ${issuer.token({ scope: held.join(' ') })}` }
    return reasonOf(await api.guard({ scope })({ method: 'GET', url: '/', headers }))
  }

  it('are needed, and held in another order', async () => {
    expect(await reasonFor(words, [...words].reverse())).toBe('good')
  })

  it('are needed, and all but one held', async () => {
    expect(await reasonFor(words, words.slice(1))).toBe('token.scope')
    expect(await reasonFor(words, words.slice(0, -1))).toBe('token.scope')
  })

  it('are alternatives, and one or none is held', async () => {
    expect(await reasonFor({ any: words }, ['other', 'w999'])).toBe('good')
    expect(await reasonFor({ any: words }, ['other', 'w1000'])).toBe('token.scope')
  })
})
