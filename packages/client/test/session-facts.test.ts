import { inspect } from 'node:util'
import { describeSession, endSessionHere, memoryStore } from '@arctos/client'
import { describe, expect, it } from 'vitest'
import { publicClientId } from './support/authorization-server.ts'
import { startScene } from './support/reporter.ts'

async function startLoggedIn(scope = 'read offline_access') {
  const scene = await startScene()
  const store = memoryStore()
  const session = await scene.program.login({
    resource: scene.resource,
    scope,
    openBrowser: scene.openBrowser,
    store,
  })
  return { ...scene, store, session, owner: { issuer: scene.server.issuer, clientId: publicClientId } }
}

describe('what is told of a session', () => {
  it('are its scope, its tokens and when they renew, and no token', async () => {
    const { store, owner, resource, world, server } = await startLoggedIn()
    const facts = await describeSession(store, owner)
    const { lifetimeSeconds } = server
    const obtainedAt = world.nowSeconds()
    const expiresAt = obtainedAt + lifetimeSeconds
    expect(facts).toMatchObject({ ...owner, scope: ['read', 'offline_access'], ended: undefined, renewable: true })
    expect(facts?.tokens).toEqual([
      {
        resource,
        scope: expect.any(Array),
        obtainedAt,
        expiresAt,
        renewsAt: expiresAt - Math.min(60, lifetimeSeconds / 5),
      },
    ])
    const kept = JSON.parse((await store.read())?.reveal() ?? '')
    expect(inspect(facts, { depth: 9 })).not.toContain(kept.refresh_token)
    expect(inspect(facts, { depth: 9 })).not.toContain(kept.tokens[0].token)
  })

  it('is nothing where nobody logged in, and a refusal where the session is another client’s', async () => {
    const { store, owner } = await startLoggedIn()
    expect(await describeSession(memoryStore(), owner)).toBeUndefined()
    await expect(describeSession(store, { ...owner, clientId: 'other' })).rejects.toMatchObject({
      code: 'store_refused',
    })
  })

  it('includes that somebody logged out', async () => {
    const { store, owner, session } = await startLoggedIn()
    await session.revoke()
    expect(await describeSession(store, owner)).toMatchObject({ ended: 'revoked', renewable: false, tokens: [] })
  })
})

describe('ending a session without its server', () => {
  it('forgets its tokens and marks it for every process', async () => {
    const { store, owner, program, server, world, resource } = await startLoggedIn()
    const other = await program.resume({ store })
    expect(await endSessionHere(store, owner)).toBe(true)
    expect(server.seenAt('/revoke')).toEqual([])
    expect(JSON.parse((await store.read())?.reveal() ?? '')).toMatchObject({ ended: 'revoked', tokens: [] })
    world.advance(server.lifetimeSeconds)
    await expect(other?.accessToken({ resource })).rejects.toMatchObject({ code: 'session_over' })
  })

  it('does nothing where there is none, or it is over', async () => {
    const { store, owner, session } = await startLoggedIn()
    expect(await endSessionHere(memoryStore(), owner)).toBe(false)
    await session.revoke()
    expect(await endSessionHere(store, owner)).toBe(false)
  })
})
