import { format, inspect } from 'node:util'
import { clientSecretBasic, clientSecretPost, oauthClient } from '@arctos/client'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { type Fault, service } from './support/authorization-server.ts'
import { answers, cutAfterActing, cutWithinAnswer, unavailable } from './support/faults.ts'
import { startScene } from './support/reporter.ts'

const json = { 'content-type': 'application/json' }
const accessMarker = 'MARKER-access-0123456789'
const refreshMarker = 'MARKER-refresh-0123456789'
const codeMarker = 'MARKER-code-0123456789'
const secretMarker = 'MARKER-secret-0123456789'

const basicMarker = Buffer.from(`${service.clientId}:${secretMarker}`).toString('base64')

/** Everything that a program could print of a value, by every way of printing. */
function printed(value: unknown): string {
  const shown = [
    inspect(value, { depth: 10, showHidden: true }),
    format('%s %o %j', value, value, value),
    JSON.stringify(value),
  ]
  if (value instanceof Error)
    shown.push(String(value), value.stack ?? '', JSON.stringify(value, Object.getOwnPropertyNames(value)))
  return shown.join('\n')
}

/** Runs a call that must fail, and gives all that it said, console and warnings included. */
async function saidWhile(call: () => Promise<unknown>): Promise<string> {
  const said: unknown[] = []
  const spies = (['log', 'info', 'warn', 'error', 'debug'] as const).map((name) =>
    vi.spyOn(console, name).mockImplementation((...words) => void said.push(...words)),
  )
  const warnings = vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void said.push(warning))
  onTestFinished(() => {
    for (const spy of [...spies, warnings]) spy.mockRestore()
  })
  const failure = await call().then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(failure).toBeInstanceOf(Error)
  return [failure, ...said].map(printed).join('\n')
}

const failures: readonly (readonly [string, (tokens: Record<string, unknown>) => Fault])[] = [
  ['a cut connection', () => cutAfterActing],
  ['half an answer', () => cutWithinAnswer],
  ['503', () => unavailable({ 'retry-after': '1000' })],
  ['HTML', (tokens) => answers(200, `<p>${JSON.stringify(tokens)}`, { 'content-type': 'text/html' })],
  ['broken JSON', (tokens) => answers(200, JSON.stringify(tokens).slice(0, -1), json)],
  ['an unknown type', (tokens) => answers(200, JSON.stringify({ ...tokens, token_type: 'mac' }), json)],
  [
    'a token with a line break',
    (tokens) => answers(200, JSON.stringify({ ...tokens, access_token: `${accessMarker}\n` }), json),
  ],
  [
    'a refresh token with a line break',
    (tokens) => answers(200, JSON.stringify({ ...tokens, refresh_token: `${refreshMarker}\n` }), json),
  ],
  ['a malformed scope', (tokens) => answers(200, JSON.stringify({ ...tokens, scope: '"' }), json)],
  ['invalid_grant', () => answers(400, '{"error":"invalid_grant"}', json)],
]
const markedTokens = { access_token: accessMarker, refresh_token: refreshMarker, token_type: 'Bearer', expires_in: 600 }

async function startMarked() {
  const scene = await startScene()
  Object.assign(scene.server.tokenAnswer, markedTokens)
  return scene
}

describe('no token is printed', () => {
  it.each(failures)('when a refresh meets %s [RFC 6749 §10.3(a), RFC 6749 §10.4(a)]', async (_, makeFault) => {
    const { program, resource, server, world, openBrowser } = await startMarked()
    const session = await program.login({ resource, scope: 'read offline_access', openBrowser })
    world.advance(601)
    server.fault('/token', ...Array.from({ length: 4 }, () => makeFault(markedTokens)))
    expect(await saidWhile(() => session.fetch({ resource })('/notes'))).not.toContain('MARKER')
  })

  it.each(failures)('when a login meets %s [RFC 6749 §10.3(a)]', async (_, makeFault) => {
    const { program, resource, server, openBrowser } = await startMarked()
    server.fault('/token', makeFault(markedTokens))
    server.changeResponse = (parameters) => parameters.set('code', codeMarker)
    expect(await saidWhile(() => program.login({ resource, openBrowser }))).not.toContain('MARKER')
  })

  it('when the server sends back what it got [RFC 6749 §10.3(a), RFC 6749 §10.4(a)]', async () => {
    const { program, resource, server, world, openBrowser } = await startMarked()
    const session = await program.login({ resource, scope: 'read offline_access', openBrowser })
    world.advance(601)
    const echoed: Fault = ({ response }) => {
      const error_description = `bad ${refreshMarker} and ${refreshMarker}`
      response.writeHead(400, json).end(JSON.stringify({ error: `x${refreshMarker}`, error_description }))
    }
    server.fault('/token', echoed)
    const said = await saidWhile(() => session.fetch({ resource })('/notes'))
    expect(said).not.toContain('MARKER')
    expect(said).toContain('[redacted]')
  })

  it('when a revocation fails', async () => {
    const { program, resource, server, openBrowser } = await startMarked()
    const session = await program.login({ resource, scope: 'read offline_access', openBrowser })
    server.fault('/revoke', answers(400, JSON.stringify({ error: 'a', error_description: refreshMarker }), json))
    expect(await saidWhile(() => session.revoke())).not.toContain('MARKER')
  })

  it('when a call goes where the token must not go, or the connection breaks', async () => {
    const { client, resource } = await startMarked()
    const notes = client.fetch({ resource })
    await notes('/notes')
    expect(await saidWhile(() => notes('https://evil.example/'))).not.toContain('MARKER')
    const unreachable = client.fetch({ resource: 'http://127.0.0.1:1' })
    expect(await saidWhile(() => unreachable('/notes'))).not.toContain('MARKER')
  })

  it('when the answer of the browser is refused', async () => {
    const { program, resource, server, openBrowser } = await startMarked()
    server.changeResponse = (parameters) => {
      parameters.set('code', codeMarker)
      parameters.set('iss', 'https://evil.example')
    }
    expect(await saidWhile(() => program.login({ resource, openBrowser }))).not.toContain('MARKER')
    server.changeResponse = (parameters) => {
      parameters.set('code', codeMarker)
      parameters.set('error', 'access_denied')
      parameters.set('error_description', codeMarker)
    }
    expect(await saidWhile(() => program.login({ resource, openBrowser }))).not.toContain('MARKER')
  })

  it('in a token, a session or a client', async () => {
    const { program, client, resource, openBrowser } = await startMarked()
    const session = await program.login({ resource, scope: 'read offline_access', openBrowser })
    const tokens = [await session.accessToken({ resource }), await client.accessToken({ resource })]
    expect(printed([session, client, tokens, `${tokens[0]}`])).not.toContain('MARKER')
    expect(tokens.map((token) => token.reveal())).toEqual([accessMarker, accessMarker])
  })
})

describe('no client secret is printed', () => {
  it.each([
    ['client_secret_basic', clientSecretBasic(secretMarker), basicMarker],
    ['client_secret_post', clientSecretPost(secretMarker), secretMarker],
  ])('with %s, when the server sends it back [RFC 6749 §10.1(b)]', async (_, auth, sent) => {
    const { server, resource, world } = await startScene()
    const client = oauthClient({ issuer: server.issuer, clientId: service.clientId, auth, ...world })
    server.fault('/token', ({ response }) => {
      const error_description = `wrong: ${secretMarker}, ${sent}`
      response.writeHead(401, json).end(JSON.stringify({ error: 'invalid_client', error_description }))
    })
    const said = await saidWhile(() => client.accessToken({ resource }))
    expect(said).not.toContain(secretMarker)
    expect(said).not.toContain(sent)
    expect(said).toContain('[redacted]')
  })

  it('in a client or its method of authentication [RFC 6749 §10.1(b)]', async () => {
    const auth = clientSecretBasic(secretMarker)
    const client = oauthClient({ issuer: 'https://as.example.com', clientId: 'a', auth })
    expect(printed([auth, client])).not.toContain('MARKER')
  })
})
