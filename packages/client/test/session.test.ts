import { SessionOver } from '@arctos/client'
import { describe, expect, it } from 'vitest'
import {
  answers,
  cutAfterActing,
  cutBeforeActing,
  cutWithinAnswer,
  hangAfterActing,
  unavailable,
} from './support/faults.ts'
import { type Scene, startScene } from './support/reporter.ts'

const scope = 'read offline_access'
const json = { 'content-type': 'application/json' }

async function loggedIn(options: Parameters<typeof startScene>[0] = {}) {
  const scene = await startScene(options)
  const session = await scene.program.login({ resource: scene.resource, scope, openBrowser: scene.openBrowser })
  return { ...scene, session, notes: session.fetch({ resource: scene.resource }) }
}

function refreshes({ server }: Pick<Scene, 'server'>): readonly URLSearchParams[] {
  return server
    .seenAt('/token')
    .map(({ form }) => form)
    .filter((form) => form.get('grant_type') === 'refresh_token')
}

describe('a session', () => {
  it('renews an ended token with its refresh token and the resource [RFC 6749 §6(h)(i), RFC 8707 §2.2]', async () => {
    const { server, resource, world, notes } = await loggedIn()
    world.advance(601)
    expect((await notes('/notes')).status).toBe(200)
    expect(refreshes({ server }).map((form) => Object.fromEntries(form))).toEqual([
      { grant_type: 'refresh_token', refresh_token: expect.stringMatching(/^rt-/), resource, client_id: 'notes-cli' },
    ])
  })

  it('gets 20 of 20 calls accepted by one refresh, when the token has ended [RFC 6749 §6]', async () => {
    const { server, world, notes } = await loggedIn()
    world.advance(601)
    const answered = await Promise.all(Array.from({ length: 20 }, () => notes('/notes')))
    expect(answered.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
    expect(refreshes({ server })).toHaveLength(1)
  })

  it('gets 20 of 20 calls accepted by one refresh, when the API no longer takes the token', async () => {
    const { server, notes } = await loggedIn()
    server.killAccessTokens()
    const answered = await Promise.all(Array.from({ length: 20 }, () => notes('/notes')))
    expect(answered.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
    expect(refreshes({ server })).toHaveLength(1)
  })

  it('replaces the refresh token by the new one, generation after generation [RFC 6749 §6(g)]', async () => {
    const { server, world, notes } = await loggedIn()
    for (let count = 0; count < 3; count++) {
      world.advance(601)
      expect((await notes('/notes')).status).toBe(200)
    }
    expect(new Set(refreshes({ server }).map((form) => form.get('refresh_token'))).size).toBe(3)
  })

  it('keeps the refresh token where the server returns none [RFC 6749 §6]', async () => {
    const { server, world, notes } = await loggedIn()
    server.rotates = false
    for (const returned of [undefined, null, '', undefined]) {
      server.tokenAnswer['refresh_token'] = returned
      world.advance(601)
      expect((await notes('/notes')).status).toBe(200)
    }
    expect(new Set(refreshes({ server }).map((form) => form.get('refresh_token'))).size).toBe(1)
  })

  it('renews in the background before the token ends', async () => {
    const { server, resource, world, session } = await loggedIn()
    const first = await session.accessToken({ resource })
    world.advance(560)
    await expect(session.accessToken({ resource })).resolves.toBe(first)
    await expect.poll(() => session.accessToken({ resource })).not.toBe(first)
    expect(refreshes({ server })).toHaveLength(1)
  })

  it.each([
    ['the connection was cut before the server acted', cutBeforeActing],
    ['the answer was lost', cutAfterActing],
    ['half the answer was lost', cutWithinAnswer],
    ['the answer hangs', hangAfterActing],
    ['the server said 503', unavailable()],
  ])('lives on when %s: the same refresh token is presented again', async (_, fault) => {
    const { server, world, notes } = await loggedIn({ timeoutMs: 100 })
    world.advance(601)
    server.fault('/token', fault)
    expect((await notes('/notes')).status).toBe(200)
    const presented = refreshes({ server }).map((form) => form.get('refresh_token'))
    expect([presented.length, new Set(presented).size]).toEqual([2, 1])
    world.advance(601)
    expect((await notes('/notes')).status).toBe(200)
  })

  it('lives on when every attempt of a call failed', async () => {
    const { server, world, notes } = await loggedIn()
    world.advance(601)
    server.fault('/token', cutAfterActing, unavailable(), unavailable(), unavailable())
    await expect(notes('/notes')).rejects.toMatchObject({ code: 'unavailable' })
    expect((await notes('/notes')).status).toBe(200)
    expect(new Set(refreshes({ server }).map((form) => form.get('refresh_token'))).size).toBe(1)
  })

  it('lives on when a proxy answers in the place of the server', async () => {
    const { server, world, notes } = await loggedIn()
    world.advance(601)
    server.fault('/token', answers(200, '<h1>Sign in to the network</h1>', { 'content-type': 'text/html' }))
    await expect(notes('/notes')).rejects.toMatchObject({ code: 'answer_refused' })
    expect((await notes('/notes')).status).toBe(200)
  })

  it.each(['invalid_client', 'invalid_request', 'unauthorized_client', 'invalid_target'])(
    'lives on after the error %s',
    async (error) => {
      const { server, world, notes } = await loggedIn()
      world.advance(601)
      server.fault('/token', answers(400, JSON.stringify({ error }), json))
      await expect(notes('/notes')).rejects.toMatchObject({ code: 'oauth_error', error })
      expect((await notes('/notes')).status).toBe(200)
    },
  )

  it('waits for Retry-After before it presents the token again', async () => {
    const { server, world, notes } = await loggedIn()
    world.advance(601)
    server.fault('/token', unavailable({ 'retry-after': '3' }))
    await notes('/notes')
    expect(world.waits[0]).toBeGreaterThanOrEqual(3_000)
  })

  it('is over after invalid_grant, says so with the receipt, and asks no more', async () => {
    const { server, world, notes } = await loggedIn()
    world.advance(601)
    server.killFamilies()
    await expect(notes('/notes')).rejects.toMatchObject({
      name: 'SessionOver',
      code: 'session_over',
      cause: { error: 'invalid_grant', status: 400, receipt: 'rcpt-123' },
    })
    await expect(notes('/notes')).rejects.toBeInstanceOf(SessionOver)
    expect(refreshes({ server })).toHaveLength(1)
  })

  it('is over for all calls that waited', async () => {
    const { server, world, notes } = await loggedIn()
    world.advance(601)
    server.killFamilies()
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => notes('/notes')))
    expect(results.map((result) => result.status === 'rejected' && result.reason.code)).toEqual(
      Array.from({ length: 20 }, () => 'session_over'),
    )
    expect(refreshes({ server })).toHaveLength(1)
  })

  it('without a refresh token is over when its token ends, and says what to ask for', async () => {
    const { program, resource, openBrowser, world, server } = await startScene()
    const session = await program.login({ resource, scope: 'read', openBrowser })
    const notes = session.fetch({ resource })
    world.advance(590)
    expect((await notes('/notes')).status).toBe(200)
    world.advance(10)
    await expect(notes('/notes')).rejects.toMatchObject({
      code: 'session_over',
      message: expect.stringContaining('offline_access'),
    })
    expect(refreshes({ server })).toEqual([])
  })

  it('without a refresh token uses a token of unknown life until the API says no', async () => {
    const { program, resource, openBrowser, world, server } = await startScene()
    server.tokenAnswer['expires_in'] = undefined
    const notes = (await program.login({ resource, scope: 'read', openBrowser })).fetch({ resource })
    world.advance(300)
    expect((await notes('/notes')).status).toBe(200)
    world.advance(301)
    await expect(notes('/notes')).rejects.toBeInstanceOf(SessionOver)
  })

  it('gets a token of its own for each resource, one refresh after the other', async () => {
    const { server, api, session, resource } = await loggedIn()
    const other = `${api.origin}/other`
    const tokens = await Promise.all([
      session.accessToken({ resource: other }),
      session.accessToken({ resource: `${api.origin}/third` }),
      session.accessToken({ resource: other }),
      session.accessToken({ resource }),
    ])
    expect(new Set(tokens.map((token) => token.reveal())).size).toBe(3)
    expect(refreshes({ server }).map((form) => form.get('resource'))).toEqual([other, `${api.origin}/third`])
    expect(new Set(refreshes({ server }).map((form) => form.get('refresh_token'))).size).toBe(2)
  })

  it('takes the two spellings of an origin for one resource', async () => {
    const { server, session, resource } = await loggedIn()
    const tokens = [await session.accessToken({ resource }), await session.accessToken({ resource: `${resource}/` })]
    expect(tokens[0]).toBe(tokens[1])
    expect(refreshes({ server })).toEqual([])
  })

  it('can be refreshed on demand, once for all who ask', async () => {
    const { server, session, resource } = await loggedIn()
    const first = await session.accessToken({ resource })
    await Promise.all(Array.from({ length: 20 }, () => session.refresh({ resource })))
    expect((await session.accessToken({ resource })).reveal()).not.toBe(first.reveal())
    expect(refreshes({ server })).toHaveLength(1)
  })

  it('does not stop a refresh that is under way when a caller gives up', async () => {
    const { server, world, notes } = await loggedIn()
    world.advance(601)
    const giveUp = new AbortController()
    server.fault('/token', ({ answer }) => {
      giveUp.abort(new Error('enough'))
      answer()
    })
    await expect(notes('/notes', { signal: giveUp.signal })).rejects.toThrow('enough')
    expect((await notes('/notes')).status).toBe(200)
    expect(refreshes({ server })).toHaveLength(1)
  })
})

describe('revoking a session', () => {
  it('posts its refresh token to the revocation endpoint and sends nothing any more [RFC 7009 §2.1(b)]', async () => {
    const { server, api, session, notes } = await loggedIn()
    await session.revoke()
    const [request] = server.seenAt('/revoke')
    expect(request?.method).toBe('POST')
    expect(Object.fromEntries(request?.form ?? [])).toEqual({
      token: expect.stringMatching(/^rt-/),
      token_type_hint: 'refresh_token',
      client_id: 'notes-cli',
    })
    await expect(notes('/notes')).rejects.toMatchObject({ code: 'session_over' })
    expect(api.calls).toEqual([])
  })

  it('is authenticated as a token request is [RFC 7009 §2.1]', async () => {
    const { client, resource, server, openBrowser } = await startScene()
    await (await client.login({ resource, scope, openBrowser })).revoke()
    expect(server.seenAt('/revoke')[0]?.headers.authorization).toMatch(/^Basic /)
  })

  it('revokes the access token where there is no refresh token', async () => {
    const { program, resource, server, openBrowser } = await startScene()
    await (await program.login({ resource, scope: 'read', openBrowser })).revoke()
    expect(server.seenAt('/revoke').map(({ form }) => form.get('token_type_hint'))).toEqual(['access_token'])
  })

  it('happens once', async () => {
    const { server, session } = await loggedIn()
    await Promise.all([session.revoke(), session.revoke()])
    await session.revoke()
    expect(server.seenAt('/revoke')).toHaveLength(1)
  })

  it('is tried again after 503, for the token still lives [RFC 7009 §2.2.1]', async () => {
    const { server, session, world } = await loggedIn()
    server.fault('/revoke', unavailable({ 'retry-after': '2' }))
    await session.revoke()
    expect(server.seenAt('/revoke')).toHaveLength(2)
    expect(world.waits[0]).toBeGreaterThanOrEqual(2_000)
  })

  it('that fails leaves the session as it was [RFC 7009 §2.2.1]', async () => {
    const { server, session, notes } = await loggedIn()
    server.fault('/revoke', ...Array.from({ length: 4 }, () => unavailable()))
    await expect(session.revoke()).rejects.toMatchObject({ code: 'unavailable' })
    expect((await notes('/notes')).status).toBe(200)
    await session.revoke()
  })

  it('waits for a refresh that is under way, so that it revokes the token that lives', async () => {
    const { server, session, resource, world, notes } = await loggedIn()
    world.advance(601)
    await Promise.all([session.accessToken({ resource }), session.revoke()])
    const [refresh] = refreshes({ server })
    expect(server.seenAt('/revoke')[0]?.form.get('token')).not.toBe(refresh?.get('refresh_token'))
    await expect(notes('/notes')).rejects.toBeInstanceOf(SessionOver)
  })

  it('is not possible where the server has no endpoint for it', async () => {
    const { program, resource, server, openBrowser } = await startScene()
    server.metadata['revocation_endpoint'] = undefined
    const session = await program.login({ resource, scope, openBrowser })
    await expect(session.revoke()).rejects.toMatchObject({ code: 'metadata_refused' })
  })
})
