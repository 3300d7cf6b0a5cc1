import { Refusal } from '@arctos/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { guardOf } from './guard.ts'
import { type Issuer, startIssuer } from './issuer.ts'

let issuer: Issuer

beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer.close())

function reasonOf(action: () => unknown): unknown {
  try {
    return action()
  } catch (error) {
    return error instanceof Refusal ? error.reason : error
  }
}

describe('verifier', () => {
  it('answers at once where the key is held [RFC 9068 §4(d)]', async () => {
    const guard = guardOf(issuer)
    await guard.reload()
    expect(guard.verifier({ scope: 'read' })(issuer.token())).toMatchObject({ subject: 'user-1', scopes: ['read'] })
  })

  it('fetches the keys where none are held', async () => {
    const access = guardOf(issuer).verifier()(issuer.token())
    expect(access).toBeInstanceOf(Promise)
    expect(await access).toMatchObject({ subject: 'user-1' })
  })

  it('throws the refusal of token or policy', async () => {
    const guard = guardOf(issuer)
    await guard.reload()
    const verify = guard.verifier({ scope: 'write' })
    expect(reasonOf(() => verify(issuer.token({ aud: 'other' })))).toBe('token.audience')
    expect(reasonOf(() => verify(issuer.token()))).toBe('token.scope')
    expect(reasonOf(() => verify('no token'))).toBe('token.malformed')
  })

  it('throws at start for a policy that is none', () => {
    expect(() => guardOf(issuer).verifier({ scope: 'delete' as 'read' })).toThrow(TypeError)
  })
})
