import {
  clientSecretBasic,
  clientSecretPost,
  memoryStore,
  oauthClient,
  privateKeyJwt,
  type Session,
} from '@arctos/client'
import { describe, expect, it } from 'vitest'
import { type Arctos, startArctos } from './support/arctos.ts'

const scope = 'read offline_access'

function programOf({ issuer, now }: Arctos) {
  return oauthClient({ issuer, clientId: 'program', now, wait: async () => undefined })
}

async function logIn(arctos: Arctos, resource: string): Promise<Session> {
  const openBrowser = (url: string) => arctos.agreeing.visit(url)
  return await programOf(arctos).login({ resource, scope, openBrowser })
}

describe('with an Arctos authorization server and guard', () => {
  it.each(['client_secret_basic', 'client_secret_post', 'private_key_jwt'])(
    'a service calls an API, by %s',
    async (method) => {
      const { issuer, jwtApi, opaqueApi, secret, privateJwk, seen } = await startArctos()
      const auth = {
        client_secret_basic: clientSecretBasic(secret),
        client_secret_post: clientSecretPost(secret),
        private_key_jwt: privateKeyJwt(privateJwk),
      }[method]
      const clientId = method === 'private_key_jwt' ? 'signer' : 'service'
      const client = oauthClient({ issuer, clientId, ...(auth && { auth }) })
      for (const resource of [jwtApi, opaqueApi]) {
        const call = client.fetch({ resource, scope: 'read' })
        const answered = await Promise.all(Array.from({ length: 50 }, () => call('/notes')))
        expect(answered.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200))
      }
      expect(seen.filter((path) => path === '/token')).toHaveLength(2)
    },
  )

  it('a service takes a token back, and calls with another one [RFC 7009 §2.1]', async () => {
    const { issuer, opaqueApi, secret, seen } = await startArctos()
    const client = oauthClient({ issuer, clientId: 'service', auth: clientSecretBasic(secret) })
    const target = { resource: opaqueApi, scope: 'read' }
    const token = await client.accessToken(target)
    await client.revoke(token)
    expect(seen).toContain('/revoke')
    expect((await client.fetch(target)('/notes')).status).toBe(200)
    expect(await client.accessToken(target)).not.toBe(token)
  })

  it("a user logs in, and the program calls both kinds of API in the user's name", async () => {
    const arctos = await startArctos()
    const openBrowser = (url: string) => arctos.agreeing.visit(url)
    const resource = [arctos.jwtApi, arctos.opaqueApi]
    const session = await programOf(arctos).login({ resource, scope, openBrowser })
    for (const each of resource) expect((await session.fetch({ resource: each })('/notes')).status).toBe(200)
    expect(session.scope).toContain('read')
  })

  it('a user says no', async () => {
    const arctos = await startArctos()
    const openBrowser = (url: string) => arctos.refusing.visit(url)
    const login = programOf(arctos).login({ resource: arctos.jwtApi, scope, openBrowser })
    await expect(login).rejects.toMatchObject({ code: 'oauth_error', error: 'access_denied' })
    expect(arctos.seen).not.toContain('/token')
  })

  it.each(['jwtApi', 'opaqueApi'] as const)(
    '20 of 20 calls with an ended token are accepted by one refresh (%s)',
    async (api) => {
      const arctos = await startArctos()
      const session = await logIn(arctos, arctos[api])
      const call = session.fetch({ resource: arctos[api] })
      arctos.advance(700)
      const answered = await Promise.all(Array.from({ length: 20 }, () => call('/notes')))
      expect(answered.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
      expect(arctos.seen.filter((path) => path === '/token')).toHaveLength(2)
    },
  )

  it('a session survives an answer that is lost after the rotation', async () => {
    const arctos = await startArctos()
    const session = await logIn(arctos, arctos.jwtApi)
    const call = session.fetch({ resource: arctos.jwtApi })
    for (let generation = 0; generation < 3; generation++) {
      arctos.advance(700)
      arctos.loseAnswer('/token')
      expect((await call('/notes')).status).toBe(200)
    }
  })

  it('two processes on one store refresh at once, again and again, and both go on', async () => {
    const arctos = await startArctos()
    const program = programOf(arctos)
    const store = memoryStore()
    const resource = arctos.opaqueApi
    const openBrowser = (url: string) => arctos.agreeing.visit(url)
    const session = await program.login({ resource, scope, openBrowser, store })
    const other = await programOf(arctos).resume({ store })
    for (let generation = 0; generation < 3; generation++) {
      arctos.advance(700)
      const calls = [session, other, session, other].map((each) => each?.fetch({ resource })('/notes'))
      expect((await Promise.all(calls)).map((response) => response?.status)).toEqual([200, 200, 200, 200])
    }
  })

  it('a revoked session is over for the program, for the server, and for the API that asks it', async () => {
    const arctos = await startArctos()
    const resource = arctos.opaqueApi
    const session = await logIn(arctos, resource)
    const token = await session.accessToken({ resource })
    await session.revoke()
    await expect(session.fetch({ resource })('/notes')).rejects.toMatchObject({ code: 'session_over' })
    const headers = { authorization: `Bearer ${token.reveal()}` }
    expect((await fetch(`${resource}/notes`, { headers })).status).toBe(401)
  })

  it('a session that the server ended is over, with a receipt', async () => {
    const arctos = await startArctos()
    const program = programOf(arctos)
    const store = memoryStore()
    const resource = arctos.jwtApi
    const openBrowser = (url: string) => arctos.agreeing.visit(url)
    const stolen = await program.login({ resource, scope, openBrowser, store })
    const early = await store.read()
    for (let generation = 0; generation < 2; generation++) {
      arctos.advance(700)
      await stolen.accessToken({ resource })
    }
    // Somebody presents the grandparent of the live refresh token: a copy.
    const copy = memoryStore()
    if (early !== undefined) await copy.compareAndSwap(undefined, early)
    const thief = await program.resume({ store: copy })
    const sessionOver = {
      code: 'session_over',
      cause: { error: 'invalid_grant', receipt: expect.stringMatching(/^[\w-]+$/) },
    }
    await expect(thief?.accessToken({ resource })).rejects.toMatchObject(sessionOver)
    arctos.advance(700)
    await expect(stolen.accessToken({ resource })).rejects.toMatchObject(sessionOver)
  })

  it('a wrong secret is an error with a receipt, and no token', async () => {
    const { issuer, jwtApi } = await startArctos()
    const client = oauthClient({ issuer, clientId: 'service', auth: clientSecretBasic('wrong') })
    await expect(client.accessToken({ resource: jwtApi })).rejects.toMatchObject({
      name: 'OAuthError',
      error: 'invalid_client',
      status: 401,
      receipt: expect.stringMatching(/^[\w-]+$/),
    })
  })

  it('an unknown resource is refused with invalid_target', async () => {
    const { issuer, secret } = await startArctos()
    const client = oauthClient({ issuer, clientId: 'service', auth: clientSecretBasic(secret) })
    await expect(client.accessToken({ resource: 'https://other.example.com' })).rejects.toMatchObject({
      error: 'invalid_target',
    })
  })
})
