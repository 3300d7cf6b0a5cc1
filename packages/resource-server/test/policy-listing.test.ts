import { describe, expect, it } from 'vitest'
import { type Policy, policyOf, resourceServer } from '../src/index.ts'
import { resource } from './issuer.ts'

const api = resourceServer({
  resource,
  authorizationServers: ['https://as.example.com'],
  scopes: { read: 'Read notes', write: 'Change notes' },
})

describe('policyOf', () => {
  it('reads the policy of a guard', () => {
    expect(policyOf(api.guard({ scope: { any: ['read', 'write'] } }))).toEqual({ scope: { any: ['read', 'write'] } })
  })

  it('reads an empty policy of a guard without demands', () => {
    expect(policyOf(api.guard())).toEqual({})
  })

  it.each([() => {}, {}, undefined, null, 'guard'])('finds none on %s', (other) => {
    expect(policyOf(other)).toBeUndefined()
  })

  it('shows what is enforced, also after the object was changed', () => {
    const policy: { scope: 'read' | 'write' } = { scope: 'read' }
    const guard = api.guard(policy)
    policy.scope = 'write'
    expect(policyOf(guard)).toEqual({ scope: 'read' })
  })

  it('gives nothing that could be changed', () => {
    const policy = policyOf(api.guard({ scope: ['read', 'write'] })) as { scope: string[] }
    expect(() => policy.scope.pop()).toThrow(TypeError)
    expect(() => Object.assign(policy, { scope: [] } satisfies Policy)).toThrow(TypeError)
  })
})
