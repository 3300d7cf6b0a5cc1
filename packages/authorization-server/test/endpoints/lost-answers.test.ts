import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { databaseKinds } from './databases.ts'
import { isActive, mintCode, signIn, signInOpaque, tokensOf } from './flows.ts'
import { archive, basic, encodeForm, type Form, type Installation, install, notes, type Reply } from './installation.ts'
import { openRaw, type Served, serve } from './raw-http.ts'

describe.each(databaseKinds)('over HTTP, on %s,', (database) => {
  let site: Installation
  let served: Served
  beforeAll(async () => {
    site = await install({ database })
    served = await serve(site)
  })
  afterAll(async () => {
    await served.listening.close(0)
    await site.end()
  })

  const headersOf = (clientId: string): Record<string, string> => ({
    'content-type': 'application/x-www-form-urlencoded',
    ...(clientId === 'app' ? {} : basic(clientId)),
  })
  const bodyOf = (form: Form, clientId: string): string =>
    encodeForm(clientId === 'app' ? { ...form, client_id: clientId } : form)

  const ask = (form: Form, clientId = 'service'): Promise<Reply> =>
    served.send('/token', { method: 'POST', headers: headersOf(clientId), body: bodyOf(form, clientId) })
  const refreshForm = (token: string): Form => ({ grant_type: 'refresh_token', refresh_token: token })

  /** Sends a whole request and goes away: at once, or amid the answer. */
  async function askAndLeave(form: Form, clientId: string, when: 'at once' | 'amid the answer'): Promise<void> {
    const body = bodyOf(form, clientId)
    const headers = Object.entries({ ...headersOf(clientId), host: 'x', 'content-length': String(body.length) })
    const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const handled = site.journal.length + 1
    const { socket, closed } = await openRaw(served.port)
    if (when === 'amid the answer') socket.once('data', () => socket.destroy())
    socket.write(`POST /token HTTP/1.1\r\n${head}\r\n${body}`, () => {
      if (when === 'at once') socket.destroy()
    })
    await closed
    // The server may have read the request or not. If it has, it is done with it before the session goes on: a refresh that is
    // overtaken by two rotations is a reuse, for nobody could tell it from one.
    await vi
      .waitFor(() => expect(site.journal.length).toBeGreaterThanOrEqual(handled), { timeout: 300 })
      .catch(() => {})
  }

  describe.each([
    ['JWTs', signIn, 'notes-api'],
    ['opaque tokens', signInOpaque, 'archive-api'],
  ] as const)('with %s,', (_, open, rs) => {
    it.each(['service', 'app'])(
      'a session of %s outlives every answer that is cut off, and tried again [PROTOCOL §2 A15]',
      async (clientId) => {
        let { refresh: token } = await open(site, { clientId })
        let access = ''
        for (const when of ['at once', 'amid the answer', 'at once', 'amid the answer', 'amid the answer'] as const) {
          await askAndLeave(refreshForm(token), clientId, when)
          await askAndLeave(refreshForm(token), clientId, when)
          const next = tokensOf(await ask(refreshForm(token), clientId))
          // A second try has no other successor than the first.
          expect(tokensOf(await ask(refreshForm(token), clientId)).refresh).toBe(next.refresh)
          token = next.refresh
          access = next.access
        }
        expect(await isActive(site, access, rs)).toBe(true)
      },
    )

    it('fifty refreshes at one time get fifty answers, and one and the same successor [PROTOCOL §2 A14, A15]', async () => {
      const { refresh: token } = await open(site)
      const replies = await Promise.all(Array.from({ length: 50 }, () => ask(refreshForm(token))))
      expect(replies.filter(({ status }) => status === 200)).toHaveLength(50)
      expect(new Set(replies.map((reply) => tokensOf(reply).refresh)).size).toBe(1)
    })
  })

  it.each([
    ['JWTs', notes, 'read'],
    ['opaque tokens', archive, 'archive'],
  ])(
    'fifty redemptions of one code at one time have one success, with %s [RFC 6749 §4.1.2(a)]',
    async (_, resource, scope) => {
      const { form } = await mintCode(site, { resources: [resource], scopes: [scope] })
      const replies = await Promise.all(Array.from({ length: 50 }, () => ask(form)))
      expect(replies.filter(({ status }) => status === 200)).toHaveLength(1)
      expect(replies.filter(({ status, body }) => status === 400 && body['error'] === 'invalid_grant')).toHaveLength(49)
    },
  )
})
