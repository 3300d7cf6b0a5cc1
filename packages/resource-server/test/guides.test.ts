import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ResourceServer } from '../src/index.ts'
import { compilePages, type Programs, type Running } from './guides.ts'
import type { Issuer } from './issuer.ts'
import { soon, startTransmitter, type Transmitter } from './transmitter.ts'

const metadataPath = '/.well-known/oauth-protected-resource'
const challenge = `Bearer scope="read", resource_metadata="https://api.example.com${metadataPath}"`

/** The file of each page that answers, or a function that puts its handlers together. */
const pages: Readonly<Record<string, string>> = {
  express: 'server.ts',
  fastify: 'server.ts',
  hono: 'server.ts',
  koa: 'server.ts',
  nest: 'server.ts',
  node: 'server.ts',
  fetch: 'server.ts',
  'status-list': 'server.ts',
}

let site: Transmitter
let issuer: Issuer
let programs: Programs
beforeAll(async () => {
  site = await startTransmitter()
  issuer = site.issuer
  programs = await compilePages([...Object.keys(pages), 'next', 'guard'], issuer.issuer)
})
afterAll(async () => {
  await programs.remove()
  await site.close()
})

it('has programs that the compiler takes as they stand there', () => {
  expect(programs.mistakes).toBe('')
})

type Ask = (path: string, token?: string) => Promise<Response>

function requestOf(origin: string, path: string, token: string | undefined): Request {
  return new Request(`${origin}${path}`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })
}

/** Everything that a page promises: the metadata, the challenge, the scope, and who was let in. */
async function expectGuarded(ask: Ask, path: string, answered: object): Promise<void> {
  const metadata = await ask(metadataPath)
  expect(await metadata.json()).toMatchObject({
    resource: 'https://api.example.com',
    authorization_servers: [issuer.issuer],
  })
  const bare = await ask(path)
  expect([bare.status, bare.headers.get('www-authenticate')]).toEqual([401, challenge])
  expect((await ask(path, issuer.token({ scope: 'write' }))).status).toBe(403)
  const good = await ask(path, issuer.token({ sub: 'user-7' }))
  expect([good.status, await good.json()]).toEqual([200, answered])
}

describe.each(Object.entries(pages))('the page about %s', (page, file) => {
  let running: Running
  afterAll(() => running.close())

  it('shows a program that guards a route [RFC 6750 §3(a), RFC 9728 §3.2]', async () => {
    running = await programs.run(page, file)
    const { origin, exports } = running
    const { fetch: handle = fetch } = (exports['default'] ?? {}) as { readonly fetch?: typeof fetch }
    const ask: Ask = async (path, token) => handle(requestOf(origin ?? 'https://api.example.com', path, token))
    await expectGuarded(ask, '/notes', { of: 'user-7' })
  })
})

describe('the page about next', () => {
  it('shows route handlers that guard themselves [RFC 6750 §3(a), RFC 9728 §3.2]', async () => {
    const notes = await programs.run('next', 'app/notes/[id]/route.ts')
    const metadata = await programs.run('next', 'app/.well-known/[...path]/route.ts')
    type Handler = (request: Request, segment: { readonly params: Promise<object> }) => Promise<Response>
    const ask: Ask = async (path, token) => {
      const { GET } = (path === metadataPath ? metadata : notes).exports as { readonly GET: Handler }
      return GET(requestOf('https://api.example.com', path, token), { params: Promise.resolve({ id: '7' }) })
    }
    await expectGuarded(ask, '/notes/7', { id: '7', of: 'user-7' })
  })
})

describe('the page about the guard', () => {
  it('shows one that is told what was taken back', async () => {
    vi.stubEnv('NOTES_API_SECRET', 'secret')
    const running = await programs.run('guard', 'feed.ts')
    const { api } = running.exports as { readonly api: ResourceServer }
    const status = async (path: string, token: string) =>
      (await fetch(requestOf(running.origin ?? '', path, token))).status
    const [reading, paying] = [issuer.token({ jti: 'lost' }), issuer.token({ scope: 'pay' })]
    expect([await status('/notes', reading), await status('/bills', paying)]).toEqual([200, 200])
    site.tell({ subject: { format: 'jwt_id', iss: issuer.issuer, jti: 'lost' } })
    await vi.waitFor(async () => expect(await status('/notes', reading)).toBe(401), soon)
    await api.close()
    await running.close()
    vi.unstubAllEnvs()
  })
})
