import { setImmediate as nextTurn } from 'node:timers/promises'
import { type AccessToken, Refusal } from '@arctos/core'
import { describe, expect, it } from 'vitest'
import { createVerificationTurn } from '../src/verification/verification-turn.ts'
import { guardOf, present, verdicts } from './guard.ts'
import { makeKey, startIssuer } from './issuer.ts'

const access = {} as AccessToken

describe('the verifications of one turn', () => {
  it('run together, in the order of their arrival, before the next turn', async () => {
    const turn = createVerificationTurn(() => 0)
    const order: number[] = []
    const results = [1, 2, 3].map((each) =>
      turn.add(() => {
        order.push(each)
        return access
      }),
    )
    expect(order).toEqual([])
    await nextTurn()
    expect(order).toEqual([1, 2, 3])
    expect(await Promise.all(results)).toEqual([access, access, access])
  })

  it('do each other no harm: one bad token is refused alone', async () => {
    const turn = createVerificationTurn(() => 0)
    const results = [1, 2, 3].map((each) =>
      turn.add(() => {
        if (each === 2) throw new Refusal('token.signature')
        return access
      }),
    )
    expect((await Promise.allSettled(results)).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
  })

  it('do not wait for one that has to fetch', async () => {
    const turn = createVerificationTurn(() => 0)
    const { promise, resolve } = Promise.withResolvers<AccessToken>()
    const slow = turn.add(() => promise)
    expect(await turn.add(() => access)).toBe(access)
    resolve(access)
    expect(await slow).toBe(access)
  })

  it('let others have a turn after 4 ms, and go on in order', async () => {
    let clock = 0
    const turn = createVerificationTurn(() => clock)
    const done: number[] = []
    const results = Array.from({ length: 10 }, (_, each) =>
      turn.add(() => {
        clock += 1
        done.push(each)
        return access
      }),
    )
    await nextTurn()
    expect(done).toEqual([0, 1, 2, 3])
    await Promise.all(results)
    expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it.each([
    [256, 256],
    [257, 256],
  ])('of %i take at most 256 at a time', async (count, expected) => {
    const turn = createVerificationTurn(() => 0)
    let done = 0
    for (let each = 0; each < count; each++) {
      void turn.add(() => {
        done += 1
        return access
      })
    }
    await nextTurn()
    expect(done).toBe(expected)
  })
})

describe('a guard', () => {
  it('answers everything that one turn brings, each for itself', async () => {
    const issuer = await startIssuer()
    const guard = guardOf(issuer)
    await guard.reload()
    const tokens = Array.from({ length: 300 }, (_, at) =>
      at % 3 === 0
        ? issuer.token({ jti: `${at}` }, {}, makeKey('ES256', issuer.key.kid))
        : issuer.token({ jti: `${at}` }),
    )
    expect(await verdicts(guard, tokens)).toEqual({ good: 200, 'token.signature': 100 })
    await issuer.close()
  })

  it('keeps nobody waiting who comes alone: the answer is there in the same turn', async () => {
    const issuer = await startIssuer()
    const guard = guardOf(issuer)
    await guard.reload()
    let isAnswered = false
    const answer = present(guard, issuer.token()).then(() => {
      isAnswered = true
    })
    await nextTurn()
    await nextTurn()
    expect(isAnswered).toBe(true)
    await answer
    await issuer.close()
  })
})
