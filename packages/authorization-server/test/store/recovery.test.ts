import { describe, expect, it } from 'vitest'
import { engines, openTestStore } from './open-test-store.ts'
import { issueCode, register, rotationOf, startFamily } from './principals.ts'

describe.each(engines)('a recovery on %s', (engine) => {
  it('ends every grant, code and token from before it, and moves the epoch [PROTOCOL §1]', async () => {
    const test = await openTestStore(engine)
    const { store, clock } = test
    const principals = await register(test)
    const family = await startFamily(test, principals)
    const code = await issueCode(test, principals)
    clock.advance(5_000)

    expect(await store.recoverLostWindow({ actor: 'operator' })).toEqual({ epoch: 2, grants: 1 })

    expect(await store.rotateRefresh(rotationOf(family, family.presented))).toEqual({ outcome: 'ended' })
    expect((await store.redeemCode(code)).outcome).toBe('replayed')
    expect(await store.introspectJwt(family.access)).toBe(false)
    await test.close()
  })

  it('lets what is issued after it live, also within the same second [PROTOCOL §1]', async () => {
    const test = await openTestStore(engine)
    const principals = await register(test)
    await test.store.recoverLostWindow({ actor: 'operator' })
    const family = await startFamily(test, principals)
    expect(await test.store.introspectJwt(family.access)).toBe(true)
    await test.close()
  })
})
