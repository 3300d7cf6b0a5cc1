import { Secret } from '@arctos/core'
import { describe, expect, it } from 'vitest'
import type { HeldToken } from '../src/token-answer.ts'
import { createTokenKeeper } from '../src/token-keeper.ts'
import { createWorld } from './support/world.ts'

const world = createWorld()

const tokenOf = (name: string): HeldToken => ({
  token: new Secret(name),
  scope: [],
  obtainedAt: world.nowSeconds(),
  expiresAt: world.nowSeconds() + 600,
})

describe('a token keeper that was told to forget', () => {
  it('keeps nothing that was under way for what it forgot', async () => {
    const orders: PromiseWithResolvers<HeldToken>[] = []
    const obtain = () => {
      const order = Promise.withResolvers<HeldToken>()
      orders.push(order)
      return order.promise
    }
    const keeper = createTokenKeeper({
      obtain,
      environment: { ...world, fetch },
      canRenew: () => true,
    })
    const before = keeper.current()
    keeper.forget()
    const after = keeper.current()
    orders[1]?.resolve(tokenOf('of the new session'))
    orders[0]?.resolve(tokenOf('of the former session'))
    // Who began to wait before gets what was begun for them; nobody else does.
    expect((await before).token.reveal()).toBe('of the former session')
    expect((await after).token.reveal()).toBe('of the new session')
    expect((await keeper.current()).token.reveal()).toBe('of the new session')
    expect(orders).toHaveLength(2)
  })
})
