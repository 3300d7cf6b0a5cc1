import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { IntrospectionOptions } from '../src/index.ts'
import { createIntrospectionMemory } from '../src/introspection/memory.ts'
import { verdict, verdicts } from './guard.ts'
import { type IntrospectionSite, startIntrospection } from './introspection-site.ts'
import { sendStatus } from './issuer.ts'

const token = 'arctos_at_opaque'
const inactive = { active: false }
let site: IntrospectionSite
beforeEach(async () => {
  site = await startIntrospection()
})
afterEach(() => site.end())

function active(changes: Record<string, unknown> = {}): unknown {
  return { active: true, ...site.issuer.claims(changes) }
}

describe('"active"', () => {
  it('is asked for every time, unless the operator says otherwise', async () => {
    const guard = site.guard()
    await verdict(guard, token)
    site.tell = () => inactive
    expect(await verdict(guard, token)).toBe('token.inactive')
  })

  it('is believed for the configured time', async () => {
    const guard = site.guard({ maxAgeSeconds: 5 })
    await verdict(guard, token)
    site.tell = () => inactive
    site.pass(4.9)
    expect([await verdict(guard, token), site.asked.length]).toEqual(['good', 1])
    site.pass(0.2)
    expect([await verdict(guard, token), site.asked.length]).toEqual(['token.inactive', 2])
  })

  it('is never believed beyond the end of the token [RFC 7662 §4(h)]', async () => {
    const guard = site.guard({ maxAgeSeconds: 60, staleSeconds: 3_600 })
    site.tell = () => active({ exp: site.seconds() + 5 })
    await verdict(guard, token)
    site.tell = () => inactive
    site.pass(5)
    expect(await verdict(guard, token)).toBe('token.inactive')
  })

  it('is asked for again for another token, and by another guard', async () => {
    const guard = site.guard({ maxAgeSeconds: 60 })
    await verdicts(guard, ['one', 'two', 'one'])
    expect(site.asked.length).toBe(2)
    await verdict(site.guard({ maxAgeSeconds: 60 }), 'one')
    expect(site.asked.length).toBe(3)
  })

  it('does not let a scope through that the token has not', async () => {
    const guard = site.guard({ maxAgeSeconds: 60 })
    await verdict(guard, token)
    const write = { headers: { authorization: `Bearer ${token}` }, method: 'PUT', url: '/' }
    expect(await guard.authorize(write, { scope: 'write' })).toMatchObject({ ok: false, reason: 'token.scope' })
    expect(site.asked.length).toBe(1)
  })
})

describe('"not active"', () => {
  it('is believed for five seconds: who repeats a bad token asks the issuer nothing', async () => {
    const guard = site.guard()
    site.tell = () => inactive
    await verdict(guard, token)
    site.pass(4.9)
    expect([await verdict(guard, token), site.asked.length]).toEqual(['token.inactive', 1])
    site.pass(0.2)
    site.tell = () => active()
    expect([await verdict(guard, token), site.asked.length]).toEqual(['good', 2])
  })

  it('is asked for every time where the operator wants that', async () => {
    const guard = site.guard({ inactiveSeconds: 0 })
    site.tell = () => inactive
    await verdict(guard, token)
    site.tell = () => active()
    expect(await verdict(guard, token)).toBe('good')
  })

  it.each([1, 0])('ends what was remembered of the token, also for outages, kept for %i s', async (inactiveSeconds) => {
    const guard = site.guard({ maxAgeSeconds: 1, inactiveSeconds, staleSeconds: 3_600 })
    await verdict(guard, token)
    site.pass(1)
    site.tell = () => inactive
    expect(await verdict(guard, token)).toBe('token.inactive')
    site.issuer.answers.set('/introspect', sendStatus(500))
    site.pass(1)
    expect(await verdict(guard, token)).toBe('introspection.unavailable')
  })

  it('of invented tokens does not push the good ones out', async () => {
    const guard = site.guard({ maxAgeSeconds: 60 })
    await verdict(guard, token)
    site.tell = () => inactive
    const invented = Array.from({ length: 2_500 }, (_, index) => `invented-${index}`)
    for (let at = 0; at < invented.length; at += 500) await verdicts(guard, invented.slice(at, at + 500))
    expect(await verdict(guard, token)).toBe('good')
  })
})

describe('a policy that wants a fresh answer', () => {
  const request = { method: 'POST', url: '/', headers: { authorization: `Bearer ${token}` } }
  const ask = async (options: Partial<IntrospectionOptions>) => {
    const guard = site.guard(options)
    return { guard, fresh: () => guard.authorize(request, { fresh: true }) }
  }

  it('asks, whatever is remembered', async () => {
    const { guard, fresh } = await ask({ maxAgeSeconds: 60 })
    await verdict(guard, token)
    expect(await fresh()).toMatchObject({ ok: true })
    expect(site.asked.length).toBe(2)
  })

  it('and what it hears counts for all others', async () => {
    const { guard, fresh } = await ask({ maxAgeSeconds: 60 })
    await verdict(guard, token)
    site.tell = () => inactive
    expect(await fresh()).toMatchObject({ ok: false, reason: 'token.inactive' })
    expect([await verdict(guard, token), site.asked.length]).toEqual(['token.inactive', 2])
  })

  it('lets a token in that was not active a moment ago, for all others, too', async () => {
    const { guard, fresh } = await ask({ maxAgeSeconds: 60 })
    site.tell = () => inactive
    await verdict(guard, token)
    site.tell = () => active()
    expect([await verdict(guard, token), (await fresh()).ok]).toEqual(['token.inactive', true])
    expect([await verdict(guard, token), site.asked.length]).toEqual(['good', 2])
  })

  it('does not take the answer to a question asked before it', async () => {
    const { guard, fresh } = await ask({ maxAgeSeconds: 60 })
    const held: (() => void)[] = []
    site.send = (response, told) => void held.push(() => response.end(JSON.stringify(told)))
    const before = verdict(guard, token)
    await expect.poll(() => held.length).toBe(1)
    site.tell = () => inactive
    const after = fresh()
    await expect.poll(() => held.length).toBe(2)
    held[1]?.()
    expect(await after).toMatchObject({ ok: false, reason: 'token.inactive' })
    held[0]?.()
    expect(await before).toBe('good')
    // The older answer came later, and is not believed.
    expect([await verdict(guard, token), held.length]).toEqual(['token.inactive', 2])
  })

  it('gets nothing stale', async () => {
    const { guard, fresh } = await ask({ maxAgeSeconds: 60, staleSeconds: 3_600 })
    await verdict(guard, token)
    site.issuer.answers.set('/introspect', sendStatus(500))
    expect(await fresh()).toMatchObject({ ok: false, reason: 'introspection.unavailable', status: 503 })
    expect(await verdict(guard, token)).toBe('good')
  })
})

describe('the memory of introspection', () => {
  it('forgets the oldest of many tokens', () => {
    const options = { maxAgeSeconds: 60, inactiveSeconds: 60, staleSeconds: 0, now: () => 0, elapsed: () => 0 }
    const memory = createIntrospectionMemory(options)
    for (const claims of [{ active: true }, undefined]) {
      for (let count = 0; count <= 10_000; count++) memory.asking(`${count}`)({ claims, signedBy: undefined })
      expect([memory.recall('0'), memory.recall('10000')?.claims]).toEqual([undefined, claims])
    }
  })
})
