import { describe, expect, it } from 'vitest'
import { nextInput } from '../fuzz-inputs.ts'
import { type AskGuard, askInProcess, createFuzzWorld, fuzz } from '../fuzz-run.ts'

describe('fuzz', () => {
  it('finds nothing that the guard lets in or breaks down at', async () => {
    const world = createFuzzWorld(7)
    const { problems, letIn, refused } = await fuzz(world, 3_000, askInProcess(world))
    expect({ problems, all: letIn + refused }).toEqual({ problems: [], all: 3_000 })
    expect(letIn).toBeGreaterThan(100)
  })

  it.each<[string, AskGuard, RegExp]>([
    ['lets everything in', async () => 200, /^let in: /],
    ['lets nothing in', async () => 401, /^refused a good token with 401: /],
    ['breaks down', async () => 500, /^answered 500: /],
    ['throws', () => Promise.reject(new Error('broken')), /^threw broken: /],
  ])('finds out a guard that %s', async (_, ask, sentence) => {
    const { problems } = await fuzz(createFuzzWorld(7), 500, ask)
    expect(problems[0]).toMatch(sentence)
  })

  it('repeats itself for a seed', () => {
    const inputsOf = (seed: number) => {
      const { chance, issuer } = createFuzzWorld(seed)
      const tokens = [issuer.sign(JSON.stringify(issuer.header()), JSON.stringify(issuer.claims(0, 'a')))]
      return Array.from({ length: 200 }, () => nextInput(chance, { issuer, nowSeconds: 0, tokens }))
    }
    expect(inputsOf(3)).toEqual(inputsOf(3))
    expect(inputsOf(3)).not.toEqual(inputsOf(4))
  })
})
