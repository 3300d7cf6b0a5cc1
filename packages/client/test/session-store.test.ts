import { memoryStore, oauthClient, type SessionStore } from '@arctos/client'
import { Secret } from '@arctos/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { publicClientId } from './support/authorization-server.ts'
import { unavailable } from './support/faults.ts'
import { type Scene, startScene } from './support/reporter.ts'

const scope = 'read offline_access'

/** A session in a store, and a second one over the same store: another process. */
async function shared() {
  const scene = await startScene()
  const { program, resource, openBrowser } = scene
  const store = memoryStore()
  const session = await program.login({ resource, scope, openBrowser, store })
  const other = await program.resume({ store })
  if (other === undefined) throw new Error('the store is empty')
  return { ...scene, store, notes: session.fetch({ resource }), otherNotes: other.fetch({ resource }), session, other }
}

function refreshCount({ server }: Pick<Scene, 'server'>): number {
  return server.seenAt('/token').filter(({ form }) => form.get('grant_type') === 'refresh_token').length
}

describe('a memory store', () => {
  it('swaps only what is expected', async () => {
    const store = memoryStore()
    const [a, b] = [new Secret('a'), new Secret('b')]
    expect(await store.compareAndSwap(b, a)).toBe(false)
    expect(await store.compareAndSwap(undefined, a)).toBe(true)
    expect(await store.compareAndSwap(undefined, b)).toBe(false)
    expect(await store.compareAndSwap(new Secret('a'), b)).toBe(true)
    expect((await store.read())?.reveal()).toBe('b')
  })
})

describe('a session in a store', () => {
  it('is resumed with the tokens it had', async () => {
    const { server, resource, session, other } = await shared()
    expect((await other.accessToken({ resource })).reveal()).toBe((await session.accessToken({ resource })).reveal())
    expect(other.scope).toEqual(['read', 'offline_access'])
    expect(refreshCount({ server })).toBe(0)
  })

  it('is not there before a login', async () => {
    const { program } = await startScene()
    await expect(program.resume({ store: memoryStore() })).resolves.toBeUndefined()
  })

  it('renews with what another process stored, instead of asking the server again', async () => {
    const { server, world, notes, otherNotes } = await shared()
    world.advance(601)
    expect((await notes('/notes')).status).toBe(200)
    expect((await otherNotes('/notes')).status).toBe(200)
    expect(refreshCount({ server })).toBe(1)
  })

  it('survives two processes that refresh at the same moment', async () => {
    const { world, notes, otherNotes, program, store, resource } = await shared()
    for (let round = 0; round < 5; round++) {
      world.advance(601)
      const answered = await Promise.all([notes('/a'), otherNotes('/b'), notes('/c'), otherNotes('/d')])
      expect(answered.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    }
    world.advance(601)
    const third = await program.resume({ store })
    expect((await third?.fetch({ resource })('/e'))?.status).toBe(200)
  })

  it('stores the new refresh token on top of what another process wrote meanwhile', async () => {
    const { world, program, resource, openBrowser } = await startScene()
    const inner = memoryStore()
    let written = 0
    const store: SessionStore = {
      ...inner,
      compareAndSwap: async (expected, next) => {
        // Another process notes a token for a resource of its own, just before us.
        const text = (await inner.read())?.reveal()
        // The second write of a renewal is the one that stores its answer.
        if (text !== undefined && written++ === 1) {
          const other = '{"resource":"https://other.example.com","token":"at-other","scope":[],"obtained_at":1}'
          await inner.compareAndSwap(expected, new Secret(text.replace('"tokens":[', `"tokens":[${other},`)))
        }
        return await inner.compareAndSwap(expected, next)
      },
    }
    const session = await program.login({ resource, scope, openBrowser, store })
    world.advance(601)
    await session.accessToken({ resource })
    world.advance(601)
    const later = await program.resume({ store })
    expect((await later?.fetch({ resource })('/notes'))?.status).toBe(200)
  })

  it('reads again before it takes invalid_grant for the end', async () => {
    const { server, world, resource, program, openBrowser, store, notes } = await shared()
    world.advance(601)
    // While the old token is on its way, the user logs in anew, and the old family ends.
    server.fault('/token', ({ answer }) => {
      server.killFamilies()
      program.login({ resource, scope, openBrowser, store }).then(answer, answer)
    })
    expect((await notes('/notes')).status).toBe(200)
  })

  it('that is over stays in the store, marked', async () => {
    const { server, world, program, resource, store, notes } = await shared()
    world.advance(601)
    server.killFamilies()
    await expect(notes('/notes')).rejects.toMatchObject({ code: 'session_over' })
    const later = await program.resume({ store })
    const before = refreshCount({ server })
    await expect(later?.accessToken({ resource })).rejects.toMatchObject({ code: 'session_over' })
    expect(refreshCount({ server })).toBe(before)
    expect((await store.read())?.reveal()).toContain('"ended":"invalid_grant"')
  })

  it('keeps no token in the store after it was revoked', async () => {
    const { store, session } = await shared()
    await session.revoke()
    expect((await store.read())?.reveal()).not.toMatch(/rt-|at-/)
  })

  it('that another process revoked is over here too, at the next renewal', async () => {
    const { world, session, otherNotes } = await shared()
    await session.revoke()
    world.advance(601)
    await expect(otherNotes('/notes')).rejects.toMatchObject({ code: 'session_over' })
  })

  it('whose cell was emptied is over', async () => {
    const { program, resource, openBrowser, world } = await startScene()
    const { store, empty } = cellStore()
    const session = await program.login({ resource, scope, openBrowser, store })
    empty()
    world.advance(601)
    await expect(session.accessToken({ resource })).rejects.toMatchObject({ code: 'session_over' })
  })

  it('is not renewed where the store takes nothing, for its answer could not be kept either', async () => {
    const { program, resource, openBrowser, world, server } = await startScene()
    const { store, state } = cellStore()
    const session = await program.login({ resource, scope, openBrowser, store })
    world.advance(601)
    state.brokenAfter = 0
    await expect(session.accessToken({ resource })).rejects.toThrow('disk full')
    expect(refreshCount({ server })).toBe(0)
    state.brokenAfter = Number.POSITIVE_INFINITY
    await expect(session.accessToken({ resource })).resolves.toBeDefined()
  })

  it('is stored at the second attempt', async () => {
    const { program, resource, openBrowser, world } = await startScene()
    const { store, state } = cellStore()
    const session = await program.login({ resource, scope, openBrowser, store })
    world.advance(601)
    state.brokenOnce = 1
    const token = await session.accessToken({ resource })
    expect((await store.read())?.reveal()).toContain(token.reveal())
  })

  it('waits for the process that is renewing, and uses what it got', async () => {
    const { server, world, notes, otherNotes } = await shared()
    world.advance(601)
    let second: Promise<Response> | undefined
    server.fault('/token', ({ answer }) => {
      second = otherNotes('/b')
      // It has looked for the lease by then, for it looks on this event loop.
      setTimeout(answer, 50)
    })
    expect((await notes('/a')).status).toBe(200)
    expect((await second)?.status).toBe(200)
    expect(refreshCount({ server })).toBe(1)
  })

  it('renews its lease while the server takes its time, and gives it back', async () => {
    const { program, resource, openBrowser, world, server } = await startScene({ timeoutMs: 10_000 })
    const inner = memoryStore()
    const leases: number[] = []
    const store: SessionStore = {
      ...inner,
      lease: async (owner, durationMs) => {
        leases.push(durationMs)
        return await inner.lease(owner, durationMs)
      },
    }
    const session = await program.login({ resource, scope, openBrowser, store })
    world.advance(601)
    let answerNow: () => void = () => undefined
    server.fault('/token', ({ answer }) => {
      answerNow = answer
    })
    const token = session.accessToken({ resource })
    // Taken, confirmed before the POST, and then twice by the clock.
    await expect.poll(() => leases.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(4)
    expect(await inner.lease('somebody else', 1_000)).toBe(false)
    answerNow()
    await token
    expect(leases.at(-1)).toBe(0)
    expect(await inner.lease('somebody else', 1_000)).toBe(true)
  })

  it('gives its lease back when the renewal fails', async () => {
    const { server, world, store, notes } = await shared()
    world.advance(601)
    server.fault('/token', ...Array.from({ length: 4 }, () => unavailable()))
    await expect(notes('/notes')).rejects.toMatchObject({ code: 'unavailable' })
    expect(await store.lease('somebody else', 1_000)).toBe(true)
  })

  it('takes over when the lease of a process that died has ended, and not before', async () => {
    const { server, world, store, notes } = await shared()
    world.advance(601)
    await store.lease('the dead', 700)
    const since = performance.now()
    expect((await notes('/notes')).status).toBe(200)
    expect(performance.now() - since).toBeGreaterThanOrEqual(690)
    expect(refreshCount({ server })).toBe(1)
  })

  it('does not send the refresh token after another process went on while this one stood still', async () => {
    const { program, resource, openBrowser, world, server } = await startScene()
    const store = memoryStore()
    const session = await program.login({ resource, scope, openBrowser, store })
    const other = await program.resume({ store })
    world.advance(601)
    // The first attempt fails before the server acts; while this process waits for its second one, the other one takes over.
    server.fault('/token', unavailable())
    const standsStill = oauthClient({
      issuer: server.issuer,
      clientId: publicClientId,
      ...world,
      wait: async () => {
        await store.lease(JSON.parse((await store.read())?.reveal() ?? '').renewal.owner, 0)
        await other?.accessToken({ resource })
        world.advance(60)
      },
    })
    const slow = await standsStill.resume({ store })
    const token = await slow?.accessToken({ resource })
    expect(token?.reveal()).toBe((await other?.accessToken({ resource }))?.reveal())
    expect(refreshCount({ server })).toBe(2)
    world.advance(601)
    await expect(session.accessToken({ resource })).resolves.toBeDefined()
  })

  it('whose renewal was cut short by a crash is renewed by the next process, with the same refresh token', async () => {
    const { server, world, store, other, resource } = await shared()
    world.advance(601)
    const before = await store.read()
    await other.accessToken({ resource })
    const sent = server.seenAt('/token').at(-1)?.form.get('refresh_token')
    // What the store of a process held that died after the server rotated.
    const state = JSON.parse(before?.reveal() ?? '')
    const announced = JSON.stringify({ ...state, renewal: { owner: 'the dead', since: world.nowSeconds() } })
    await store.compareAndSwap(await store.read(), new Secret(announced))
    const next = await programAgain({ server, world }).resume({ store })
    expect((await next?.fetch({ resource })('/notes'))?.status).toBe(200)
    expect(server.seenAt('/token').at(-1)?.form.get('refresh_token')).toBe(sent)
    expect(JSON.parse((await store.read())?.reveal() ?? '')).not.toHaveProperty('renewal')
  })

  it('whose renewal was cut short long ago is over, and says why', async () => {
    const { server, world, store, resource } = await shared()
    const state = JSON.parse((await store.read())?.reveal() ?? '')
    const announced = JSON.stringify({ ...state, renewal: { owner: 'the dead', since: world.nowSeconds() } })
    await store.compareAndSwap(await store.read(), new Secret(announced))
    server.killFamilies()
    world.advance(601)
    const next = await programAgain({ server, world }).resume({ store })
    await expect(next?.accessToken({ resource })).rejects.toMatchObject({
      code: 'session_over',
      message: expect.stringContaining('interrupted'),
    })
  })

  it('lives on in the process when the store fails after a rotation', async () => {
    const { program, resource, openBrowser, world, server } = await startScene()
    const { store, state } = cellStore()
    const notes = (await program.login({ resource, scope, openBrowser, store })).fetch({ resource })
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    onTestFinished(() => warn.mockRestore())
    // The first write announces the renewal, and the answer is the first thing that is not stored.
    state.brokenAfter = 1
    for (let count = 0; count < 2; count++) {
      world.advance(601)
      expect((await notes('/notes')).status).toBe(200)
    }
    expect(warn).toHaveBeenCalledTimes(1)
    state.brokenAfter = Number.POSITIVE_INFINITY
    world.advance(601)
    expect((await notes('/notes')).status).toBe(200)
    world.advance(601)
    const later = await program.resume({ store })
    expect((await later?.fetch({ resource })('/notes'))?.status).toBe(200)
    expect(refreshCount({ server })).toBe(4)
  })

  it('that cannot be stored at all is no login', async () => {
    const { program, resource, openBrowser } = await startScene()
    const { store, state } = cellStore()
    state.brokenAfter = 0
    await expect(program.login({ resource, scope, openBrowser, store })).rejects.toThrow('disk full')
  })

  it.each([
    ['half written', (text: string) => text.slice(0, text.length / 2)],
    ['empty', () => ''],
    ['of another version', (text: string) => text.replace('"format":1', '"format":2')],
    ['of another issuer', (text: string) => text.replace(/"issuer":"[^"]+"/, '"issuer":"https://evil.example"')],
    ['of another client', (text: string) => text.replace('notes-cli', 'other')],
    ['without tokens', (text: string) => text.replace('"tokens":', '"token":')],
    ['with half a token', (text: string) => text.replace('"obtained_at":', '"obtained":')],
    ['with a token that is none', (text: string) => text.replace(/"tokens":\[.*\]/, '"tokens":[1]')],
    ['without scope', (text: string) => text.replaceAll('"scope":', '"scopes":')],
    ['ended unknown', (text: string) => text.replace('"format":1', '"format":1,"ended":"maybe"')],
  ])('that is %s is refused with a plain message, and left as it is [RFC 6749 §10.14(b)]', async (_, damage) => {
    const { program, store } = await shared()
    const text = await store.read()
    const damaged = new Secret(damage(text?.reveal() ?? ''))
    await store.compareAndSwap(text, damaged)
    await expect(program.resume({ store })).rejects.toMatchObject({ code: 'store_refused' })
    expect((await store.read())?.reveal()).toBe(damaged.reveal())
  })
})

/** A store that can be emptied from outside, and can fail after so many more writes. */
function cellStore() {
  /** Writes that still succeed, and after how many one fails. */
  const state = { brokenAfter: Number.POSITIVE_INFINITY, brokenOnce: Number.POSITIVE_INFINITY }
  let inner = memoryStore()
  return {
    state,
    empty: () => {
      inner = memoryStore()
    },
    store: {
      read: () => inner.read(),
      compareAndSwap: async (expected, next) => {
        if (state.brokenAfter-- <= 0 || state.brokenOnce-- === 0) throw new Error('disk full')
        return await inner.compareAndSwap(expected, next)
      },
      lease: (owner, durationMs) => inner.lease(owner, durationMs),
      watch: (changed) => inner.watch(changed),
    } satisfies SessionStore,
  }
}

/** The same program in another process. */
function programAgain({ server, world }: Pick<Scene, 'server' | 'world'>) {
  return oauthClient({ issuer: server.issuer, clientId: publicClientId, ...world })
}
