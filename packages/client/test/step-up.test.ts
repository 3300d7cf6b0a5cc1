import { ClientError, memoryStore, readChallenge, type Session, type StepUp, type StepUpRequest } from '@arctos/client'
import { describe, expect, it } from 'vitest'
import { listen } from './support/http.ts'
import { startScene } from './support/reporter.ts'
import { type StepUpSite, startStepUpSite } from './support/step-up-site.ts'

const scope = 'read offline_access'

interface Scene {
  readonly site: StepUpSite
  readonly session: Session
  /** What the user was asked, in order. */
  readonly asked: StepUpRequest[]
  readonly stepUp: StepUp
  readonly authorizations: () => readonly URLSearchParams[]
}

async function start({ scope: asked = scope, resources = 'one' } = {}): Promise<Scene> {
  const site = await startStepUpSite()
  const resource = resources === 'one' ? [site.api] : [site.api, site.mail]
  const openBrowser = (url: string) => site.agreeing.visit(url)
  const session = await site.program.login({ resource, scope: asked, openBrowser })
  const requests: StepUpRequest[] = []
  return {
    site,
    session,
    asked: requests,
    stepUp(request) {
      requests.push(request)
      return { openBrowser }
    },
    authorizations: () =>
      site.seen
        .filter(({ pathname, searchParams }) => pathname === '/authorize' && !searchParams.has('signed_in'))
        .map(({ searchParams }) => searchParams),
  }
}

const statusOf = async (answer: Promise<Response>): Promise<number> => (await answer).status

describe('a route that wants a recent sign-in', () => {
  it('is refused first and answered after the user signed in again [RFC 9470 §4]', async () => {
    const { site, session, stepUp, asked, authorizations } = await start()
    site.advance(400)
    const refused = await session.fetch({ resource: site.api })('/recent')
    expect([refused.status, readChallenge(refused)?.maxAgeSeconds]).toEqual([401, 300])
    expect(await statusOf(session.fetch({ resource: site.api, stepUp })('/recent'))).toBe(200)
    expect(asked).toMatchObject([{ reason: 'insufficient_user_authentication', maxAgeSeconds: 300 }])
    expect(authorizations().at(-1)?.get('max_age')).toBe('300')
  })

  it('stays open to the session, also after a refresh, until the sign-in is too old [RFC 9470 §6.1(b)]', async () => {
    const { site, session, stepUp, asked } = await start()
    site.advance(400)
    const call = session.fetch({ resource: site.api, stepUp })
    await call('/recent')
    site.advance(200)
    await session.refresh({ resource: site.api })
    expect([await statusOf(call('/recent')), asked.length]).toEqual([200, 1])
    site.advance(200)
    expect([await statusOf(call('/recent')), asked.length]).toEqual([200, 2])
  })

  it('asks every time that the sign-in has become too old: what helped is not in vain', async () => {
    const { site, session, stepUp, asked } = await start()
    const call = session.fetch({ resource: site.api, stepUp })
    for (let round = 1; round <= 4; round++) {
      site.advance(320)
      expect([await statusOf(call('/recent')), asked.length]).toEqual([200, round])
    }
  })

  it('is not taken for met by a login of the same moment that was for less', async () => {
    const { site, session, stepUp, asked } = await start()
    site.advance(400)
    const call = session.fetch({ resource: site.api, stepUp })
    expect(await Promise.all([statusOf(call('/write')), statusOf(call('/recent'))])).toEqual([200, 200])
    expect(asked).toHaveLength(2)
    expect([...site.hits].sort()).toEqual(['/recent', '/recent', '/write', '/write'])
  })
})

describe('a route that wants a class of authentication', () => {
  it('is open to those who signed in so', async () => {
    const { site, session } = await start()
    expect(await statusOf(session.fetch({ resource: site.api })('/password'))).toBe(200)
  })

  it('that nobody can reach is told so by the server, before the user is asked anything [RFC 9470 §5]', async () => {
    const { site, session } = await start()
    const openBrowser = (url: string) => site.agreeing.visit(url)
    const call = session.fetch({ resource: site.api, stepUp: () => ({ openBrowser }) })
    await expect(call('/hardware')).rejects.toMatchObject({
      code: 'oauth_error',
      error: 'unmet_authentication_requirements',
    })
    expect(await statusOf(call('/notes'))).toBe(200)
  })

  it('may ask for age and scope as well, and the user is disturbed once [RFC 9470 §3(f)]', async () => {
    const { site, session, stepUp, asked } = await start()
    site.advance(400)
    expect(await statusOf(session.fetch({ resource: site.api, stepUp })('/recent-write'))).toBe(200)
    expect(asked).toHaveLength(1)
    expect(asked[0]).toMatchObject({ acrValues: ['mfa', expect.stringMatching(/^urn:/)], maxAgeSeconds: 300 })
  })
})

describe('a route that wants a wider scope', () => {
  it('is answered after the user agreed to the union [RFC 6750 §3.1]', async () => {
    const { site, session, stepUp, asked } = await start()
    const call = session.fetch({ resource: site.api, stepUp })
    expect(await statusOf(call('/write'))).toBe(200)
    expect(await statusOf(call('/notes'))).toBe(200)
    expect(asked[0]?.scope).toEqual(['read', 'offline_access', 'write'])
    expect([...session.scope].sort()).toEqual(['offline_access', 'read', 'write'])
  })

  it('leaves a session of several resources all that it had [RFC 6750 §3.1]', async () => {
    const { site, session, stepUp } = await start({ scope: 'read send offline_access', resources: 'two' })
    expect(await statusOf(session.fetch({ resource: site.api, stepUp })('/write'))).toBe(200)
    expect(await statusOf(session.fetch({ resource: site.mail })('/send'))).toBe(200)
  })

  it('opens one browser for twenty calls at once [RFC 9470 §4]', async () => {
    const { site, session, stepUp, asked } = await start()
    const call = session.fetch({ resource: site.api, stepUp })
    const other = session.fetch({ resource: site.api, stepUp })
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => statusOf((n % 2 ? call : other)('/write'))))
    expect(new Set(answers)).toEqual(new Set([200]))
    expect(asked).toHaveLength(1)
  })

  it('asks one after the other where calls at once want different things, and loses neither', async () => {
    const { site, session, stepUp, asked } = await start()
    const call = session.fetch({ resource: site.api, stepUp })
    expect(await Promise.all(['/write', '/share', '/notes'].map((path) => statusOf(call(path))))).toEqual([
      200, 200, 200,
    ])
    expect(asked.map(({ scope: words }) => words.length)).toEqual([3, 4])
    expect([...site.hits].sort()).toEqual(['/notes', '/share', '/share', '/write', '/write'])
  })

  it('is left to the caller without stepUp, and with one that says not now', async () => {
    const { site, session, authorizations } = await start()
    for (const stepUp of [undefined, () => undefined]) {
      const call = session.fetch({ resource: site.api, ...(stepUp && { stepUp }) })
      const refused = await call('/write')
      expect([refused.status, readChallenge(refused)]).toEqual([
        403,
        { reason: 'insufficient_scope', scope: ['write'], acrValues: [], maxAgeSeconds: undefined },
      ])
    }
    expect(authorizations()).toHaveLength(1)
  })

  it('repeats a body, and never a stream, for which nobody is asked', async () => {
    const { site, session, stepUp, asked } = await start()
    const call = session.fetch({ resource: site.api, stepUp })
    const body = new Blob(['a']).stream()
    expect(await statusOf(call('/write', { method: 'POST', body, duplex: 'half' } as RequestInit))).toBe(403)
    expect(asked).toHaveLength(0)
    expect(await statusOf(call('/write', { method: 'POST', body: 'a' }))).toBe(200)
  })

  it('is used by another process of the same store, which does not ask again', async () => {
    const site = await startStepUpSite()
    const store = memoryStore()
    const openBrowser = (url: string) => site.agreeing.visit(url)
    const one = await site.program.login({ resource: site.api, scope, openBrowser, store })
    const other = await site.program.resume({ store })
    await one.fetch({ resource: site.api, stepUp: () => ({ openBrowser }) })('/write')
    const stepUp: StepUp = () => {
      throw new Error('asked')
    }
    expect(await statusOf(other?.fetch({ resource: site.api, stepUp })('/write') as Promise<Response>)).toBe(200)
  })
})

describe('processes that share a session and take turns', () => {
  const startThree = async () => {
    const site = await startStepUpSite()
    const [store, turn] = [memoryStore(), memoryStore()]
    await site.program.login({ resource: site.api, scope, store, openBrowser: (url) => site.agreeing.visit(url) })
    const sessions = await Promise.all([1, 2, 3].map(() => site.program.resume({ store })))
    let opened = 0
    const callsBy = (browser: StepUpSite['agreeing']) => {
      const openBrowser = (url: string) => {
        opened++
        return browser.visit(url)
      }
      return sessions.map((session) => session?.fetch({ resource: site.api, stepUp: () => ({ openBrowser, turn }) }))
    }
    return { site, callsBy, opened: () => opened }
  }

  it('open one browser for all of them [RFC 8252 §7.3]', async () => {
    const { site, callsBy, opened } = await startThree()
    const answers = await Promise.all(callsBy(site.agreeing).map(async (call) => (await call?.('/write'))?.status))
    expect([answers, opened()]).toEqual([[200, 200, 200], 1])
  })

  it('take one no of the user for all of them', async () => {
    const { site, callsBy, opened } = await startThree()
    const answers = await Promise.allSettled(callsBy(site.refusing).map((call) => call?.('/write')))
    expect(answers).toMatchObject([1, 2, 3].map(() => ({ status: 'rejected', reason: { error: 'access_denied' } })))
    expect(opened()).toBe(1)
  })
})

describe('a step-up that does not help', () => {
  it('is tried twice, then the answer is handed on, and the session goes on', async () => {
    const { site, session } = await start()
    const openBrowser = (url: string) => site.refusing.visit(url)
    let count = 0
    const call = session.fetch({
      resource: site.api,
      stepUp() {
        count++
        return { openBrowser }
      },
    })
    for (let round = 0; round < 2; round++)
      await expect(call('/write')).rejects.toMatchObject({ error: 'access_denied' })
    expect([await statusOf(call('/write')), await statusOf(call('/notes')), count]).toEqual([403, 200, 2])
    site.advance(601)
    await expect(call('/write')).rejects.toBeInstanceOf(ClientError)
  })

  it.each([
    ['the server granted less', 'write', { scope: 'read' }, 2],
    ['the token has it already', 'read', {}, 1],
  ])('is not repeated in vain where %s', async (_, demanded, tokenAnswer, authorizations) => {
    const { program, server, openBrowser } = await startScene()
    Object.assign(server.tokenAnswer, tokenAnswer)
    let calls = 0
    const resource = await listen((_request, response) => {
      calls++
      const challenge = `Bearer error="insufficient_scope", scope="${demanded}"`
      response.writeHead(403, { 'www-authenticate': challenge }).end()
    })
    const session = await program.login({ resource, scope: 'read', openBrowser })
    const call = session.fetch({ resource, stepUp: () => ({ openBrowser }) })
    expect([await statusOf(call('/')), calls]).toEqual([403, 1])
    expect(server.seenAt('/authorize')).toHaveLength(authorizations)
  })

  it('ends after three logins for one request, whatever else the resource wants each time [RFC 9470 §9(c)]', async () => {
    const { program, server, openBrowser } = await startScene()
    let calls = 0
    const resource = await listen((_request, response) => {
      calls++
      const challenge = `Bearer error="insufficient_scope", scope="s${calls}"`
      response.writeHead(403, { 'www-authenticate': challenge }).end()
    })
    const session = await program.login({ resource, scope, openBrowser })
    expect(await statusOf(session.fetch({ resource, stepUp: () => ({ openBrowser }) })('/'))).toBe(403)
    expect([server.seenAt('/authorize').length, calls]).toEqual([4, 4])
  })

  it('is given up after two logins, however often the resource says the same [RFC 9470 §9(c)]', async () => {
    const { program, server, openBrowser } = await startScene()
    let calls = 0
    const resource = await listen((_request, response) => {
      calls++
      const challenge = 'Bearer error="insufficient_user_authentication", max_age="0"'
      response.writeHead(401, { 'www-authenticate': challenge }).end()
    })
    const session = await program.login({ resource, scope, openBrowser })
    const call = session.fetch({ resource, stepUp: () => ({ openBrowser }) })
    for (let round = 0; round < 3; round++) expect(await statusOf(call('/'))).toBe(401)
    expect([server.seenAt('/authorize').length, calls]).toEqual([3, 5])
  })

  it('fails all who waited for it with one error', async () => {
    const { site, session } = await start()
    const openBrowser = (url: string) => site.refusing.visit(url)
    const call = session.fetch({ resource: site.api, stepUp: () => ({ openBrowser }) })
    const results = await Promise.allSettled([call('/write'), call('/write'), call('/write')])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(site.seen.filter(({ pathname }) => pathname === '/consent')).toHaveLength(2)
  })

  it('for a scope that the server does not grant is not hidden', async () => {
    const { site, session, stepUp } = await start()
    await expect(session.fetch({ resource: site.api, stepUp })('/unknown')).rejects.toMatchObject({
      code: 'oauth_error',
      error: 'invalid_scope',
    })
  })

  it('holds up a caller no longer than it wants to wait', async () => {
    const { site, session } = await start()
    const given = Promise.withResolvers<undefined>()
    const abort = new AbortController()
    const stepUp = async () => {
      abort.abort(new Error('enough'))
      return await given.promise
    }
    const call = session.fetch({ resource: site.api, stepUp })
    await expect(call('/write', { signal: abort.signal })).rejects.toThrow('enough')
    given.resolve(undefined)
  })
})

it('makes the whole session that of whoever signed in, and mixes nobody [RFC 9470 §4]', async () => {
  const { site, session } = await start({ scope: 'read send offline_access', resources: 'two' })
  const calls = [session.fetch({ resource: site.api }), session.fetch({ resource: site.mail })] as const
  const before = await Promise.all(calls.map(async (call) => (await call('/notes')).text()))
  const openBrowser = (url: string) => site.other.visit(url)
  await session.fetch({ resource: site.api, stepUp: () => ({ openBrowser }) })('/write')
  const after = await Promise.all(calls.map(async (call) => (await call('/notes')).text()))
  expect([new Set(before).size, new Set(after).size, new Set([...before, ...after]).size]).toEqual([1, 1, 2])
})

describe('a client of its own right', () => {
  const tokenRequests = (site: StepUpSite) => site.seen.filter(({ pathname }) => pathname === '/token').length

  it('keeps to the scope that it asked for, unless it was told otherwise', async () => {
    const site = await startStepUpSite()
    const call = site.service.fetch({ resource: site.api, scope: 'read' })
    expect([await statusOf(call('/write')), await statusOf(call('/notes')), tokenRequests(site)]).toEqual([403, 200, 1])
  })

  it('asks for the union once, for all calls of now and later [RFC 6750 §3.1]', async () => {
    const site = await startStepUpSite()
    const call = site.service.fetch({ resource: site.api, scope: 'read', stepUp: true })
    const answers = await Promise.all(Array.from({ length: 10 }, () => statusOf(call('/write'))))
    expect(new Set(answers)).toEqual(new Set([200]))
    expect([await statusOf(call('/write')), await statusOf(call('/notes')), tokenRequests(site)]).toEqual([200, 200, 2])
  })

  it('hands on what it may not have, and does not ask for it again at each call', async () => {
    const site = await startStepUpSite()
    const call = site.service.fetch({ resource: site.api, scope: 'read', stepUp: true })
    for (let round = 0; round < 3; round++) expect(await statusOf(call('/unknown'))).toBe(403)
    expect([await statusOf(call('/notes')), tokenRequests(site)]).toEqual([200, 2])
  })

  it('loses nothing where calls at once want different things', async () => {
    const site = await startStepUpSite()
    const call = site.service.fetch({ resource: site.api, scope: 'read', stepUp: true })
    const paths = ['/write', '/share', '/notes']
    for (let round = 0; round < 2; round++) {
      expect(await Promise.all(paths.map((path) => statusOf(call(path))))).toEqual([200, 200, 200])
    }
    expect(tokenRequests(site)).toBe(3)
    expect(site.hits).toHaveLength(8)
  })

  it('has no user who could sign in again', async () => {
    const site = await startStepUpSite()
    const call = site.service.fetch({ resource: site.api, scope: 'read', stepUp: true })
    expect([await statusOf(call('/recent')), tokenRequests(site)]).toEqual([401, 1])
    expect([await statusOf(call('/recent-write')), tokenRequests(site)]).toEqual([401, 1])
  })
})
