import { oauthClient, type Session } from '@arctos/client'
import { describe, expect, it } from 'vitest'
import { type Arctos, startArctos } from './support/arctos.ts'
import type { Browser } from './support/browser.ts'

const scope = 'read offline_access'

/** Logs in as a television does, while its user opens the page after a while. */
async function logIn(arctos: Arctos, user: Browser, decidesAfterPolls = 2): Promise<Session> {
  const { issuer, now, jwtApi } = arctos
  let page = ''
  let polls = 0
  const wait = async (durationMs: number) => {
    arctos.advance(durationMs / 1_000)
    if (polls++ === decidesAfterPolls) await user.visit(page)
  }
  const client = oauthClient({ issuer, clientId: 'television', now, wait })
  const onCode = ({ verificationUriComplete = '' }) => {
    page = verificationUriComplete
  }
  return await client.deviceLogin({ resource: [jwtApi, arctos.opaqueApi], scope, onCode })
}

describe('a device, with an Arctos authorization server and guard', () => {
  it('calls both kinds of API in the name of the user who typed its code', async () => {
    const arctos = await startArctos()
    const session = await logIn(arctos, arctos.agreeing)
    for (const resource of [arctos.jwtApi, arctos.opaqueApi])
      expect((await session.fetch({ resource })('/notes')).status).toBe(200)
    expect(arctos.seen.filter((path) => path === '/token').length).toBeGreaterThanOrEqual(4)
  })

  it('renews its session like any other', async () => {
    const arctos = await startArctos()
    const session = await logIn(arctos, arctos.agreeing)
    const call = session.fetch({ resource: arctos.opaqueApi })
    for (let generation = 0; generation < 3; generation++) {
      arctos.advance(700)
      expect((await call('/notes')).status).toBe(200)
    }
    await session.revoke()
    await expect(call('/notes')).rejects.toMatchObject({ code: 'session_over' })
  })

  it('is told that the user refused', async () => {
    const arctos = await startArctos()
    const login = logIn(arctos, arctos.refusing)
    await expect(login).rejects.toMatchObject({ code: 'oauth_error', error: 'access_denied' })
  })

  it('gives up after ten minutes in which nobody came', async () => {
    const arctos = await startArctos()
    await expect(logIn(arctos, arctos.agreeing, 1_000)).rejects.toMatchObject({ code: 'login_timeout' })
    const polls = arctos.seen.filter((path) => path === '/token').length
    expect(polls).toBeGreaterThan(100)
    expect(polls).toBeLessThanOrEqual(120)
  })

  it('goes on polling after an answer that was lost', async () => {
    const arctos = await startArctos()
    arctos.loseAnswer('/token')
    expect(
      (await (await logIn(arctos, arctos.agreeing)).accessToken({ resource: arctos.jwtApi })).reveal(),
    ).toBeDefined()
  })

  it('needs to be registered for it', async () => {
    const { issuer, jwtApi, now } = await startArctos()
    const login = oauthClient({ issuer, clientId: 'program', now }).deviceLogin({ resource: jwtApi })
    await expect(login).rejects.toMatchObject({ code: 'oauth_error', error: 'unauthorized_client' })
  })
})
