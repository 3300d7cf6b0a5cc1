import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSessionOwners } from '../src/adapters/mcp/session-owners.ts'
import { argument, type McpContext } from '../src/adapters/mcp.ts'
import type { Access } from '../src/index.ts'
import { guardOf } from './guard.ts'
import { type Issuer, sendStatus, startIssuer } from './issuer.ts'
import { askMcp, call, guardSmallServer, mcpApps, message, type SmallApp } from './mcp-app.ts'

const metadata = 'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"'
const headersOf = (method: string, name?: string): Record<string, string> => ({
  'mcp-method': method,
  ...(name === undefined ? {} : { 'mcp-name': name }),
})

describe.each(Object.entries(mcpApps))('an MCP endpoint behind %s', (_name, start) => {
  let issuer: Issuer
  let app: SmallApp
  let seen: McpContext | undefined

  beforeAll(async () => {
    issuer = await startIssuer()
    const guard = guardSmallServer(guardOf(issuer), { maxBodyBytes: 4_096 }, (needs) => {
      needs({ acr: 'mfa', maxAgeSeconds: 60 }).registerTool('delete', {}, () => 'deleted')
      const members = { amount: { atLeast: argument('amount') } }
      needs({ scope: 'write', authorizationDetails: { type: 'payment', members } }).registerTool(
        'pay',
        {},
        () => 'paid',
      )
      needs({}).registerResource('public', 'note://public', {}, () => 'public')
      needs({}).registerTool('show', {}, (_, context) => {
        seen = context
        return 'shown'
      })
    })
    app = await start(guard)
  })
  afterAll(async () => {
    await app.close()
    await issuer.close()
  })

  const reading = () => issuer.token()
  const writing = () => issuer.token({ scope: 'read write' })

  describe('without a good token', () => {
    it('names no error to a request without credentials [RFC 6750 §3.1(d)]', async () => {
      const { status, challenge, body } = await askMcp(app, call('whoami'))
      expect([status, challenge, body]).toEqual([401, `Bearer ${metadata}`, ''])
    })
    it('names the scope of a tool that the headers announce', async () => {
      const { challenge } = await askMcp(app, call('whoami'), { headers: headersOf('tools/call', 'whoami') })
      expect(challenge).toBe(`Bearer scope="read", ${metadata}`)
    })
    it('says that before it reads a body', async () => {
      expect(await askMcp(app, 'x'.repeat(100_000))).toMatchObject({ status: 401 })
    })
    it('refuses two tokens in one credential [RFC 6750 §3.1(a)]', async () => {
      const { status, challenge } = await askMcp(app, call('whoami'), { token: `${reading()} ${reading()}` })
      expect([status, challenge]).toEqual([400, expect.stringContaining('error="invalid_request"')])
    })
    it('refuses a bad token [RFC 6750 §3.1(b)]', async () => {
      const { status, challenge } = await askMcp(app, call('whoami'), { token: 'garbage' })
      expect([status, challenge]).toEqual([401, expect.stringContaining('error="invalid_token"')])
    })
    it('guards streams and the end of sessions too', async () => {
      const statuses = await Promise.all(['GET', 'DELETE'].map((method) => askMcp(app, undefined, { method })))
      expect(statuses.map(({ status }) => status)).toEqual([401, 401])
    })
  })

  describe('with a policy for each thing', () => {
    it('lets a call through that has what its tool needs', async () => {
      expect(await askMcp(app, call('whoami'), { token: reading() })).toMatchObject({ status: 200, body: 'user-1' })
    })
    it('lets a call through that its headers announce', async () => {
      const asked = { token: reading(), headers: headersOf('tools/call', 'whoami') }
      expect(await askMcp(app, call('whoami'), asked)).toMatchObject({ status: 200, body: 'user-1' })
    })
    it.each([
      ['a tool', call('write')],
      ['a prompt', message('prompts/get', { name: 'review' })],
      ['a resource', message('resources/read', { uri: 'settings://app' })],
      ['a resource in another spelling', message('resources/read', { uri: 'SETTINGS://app' })],
      ['a resource of a template', message('resources/read', { uri: 'note://7' })],
      ['watching a resource', message('resources/subscribe', { uri: 'note://7' })],
      [
        'listening to a resource',
        message('subscriptions/listen', { notifications: { resourceSubscriptions: ['note://7'] } }),
      ],
      ['completing a prompt', message('completion/complete', { ref: { type: 'ref/prompt', name: 'review' } })],
      ['completing a template', message('completion/complete', { ref: { type: 'ref/resource', uri: 'note://{id}' } })],
      ['one call of a batch', [call('whoami'), call('write')]],
      ['a notification', { jsonrpc: '2.0', method: 'tools/call', params: { name: 'write' } }],
    ])('asks for the scope of %s [RFC 6750 §3.1(c)]', async (_what, body) => {
      const { status, challenge } = await askMcp(app, body, { token: reading() })
      expect([status, challenge]).toEqual([
        403,
        expect.stringMatching(/error="insufficient_scope".* scope="write", res/),
      ])
    })
    it('asks by the headers alone, whatever the body is', async () => {
      const asked = { token: reading(), headers: headersOf('tools/call', 'write') }
      expect(await askMcp(app, 'no JSON', asked)).toMatchObject({ status: 403 })
    })
    it('gives a batch on when each of its calls may be made', async () => {
      const body = [call('whoami'), call('write')]
      expect(await askMcp(app, body, { token: writing() })).toMatchObject({ status: 200, body: 'user-1,user-1' })
    })
    it('takes any good token for what names nothing', async () => {
      const asked = askMcp(app, message('tools/list'), { token: reading() })
      expect(await asked).toMatchObject({ status: 200, body: 'tools/list by user-1' })
    })
    it('holds a resource to its own policy, though a template fits it too', async () => {
      const asked = askMcp(app, message('resources/read', { uri: 'NOTE://public' }), { token: reading() })
      expect(await asked).toMatchObject({ status: 200, body: 'public' })
    })
    it('leaves a name that nobody registered to the server', async () => {
      expect(await askMcp(app, call('constructor'), { token: reading() })).toMatchObject({
        status: 200,
        body: 'unknown',
      })
    })
    it('asks the user to authenticate for a tool that needs it [RFC 9470 §3(a)(e)]', async () => {
      const { status, challenge } = await askMcp(app, call('delete'), { token: reading() })
      expect([status, challenge]).toEqual([
        401,
        expect.stringMatching(/error="insufficient_user_authentication".*acr_values="mfa", max_age="?60/),
      ])
    })
  })

  describe('with a policy on arguments', () => {
    const paying = () => issuer.token({ scope: 'write', authorization_details: [{ type: 'payment', amount: 50 }] })

    it('compares what was granted with what the call asks for [RFC 9396 §9]', async () => {
      const statusOf = async (amount: number) =>
        (await askMcp(app, call('pay', { amount }), { token: paying() })).status
      expect([await statusOf(50), await statusOf(51)]).toEqual([200, 403])
    })
    it('judges each call of a batch by its own arguments', async () => {
      const body = [call('pay', { amount: 5 }), call('pay', { amount: 51 })]
      expect(await askMcp(app, body, { token: paying() })).toMatchObject({ status: 403 })
    })
    it('is not decided by headers', async () => {
      const asked = { token: paying(), headers: headersOf('tools/call', 'pay') }
      expect(await askMcp(app, call('pay', { amount: 51 }), asked)).toMatchObject({ status: 403 })
    })
    it.each([{}, { amount: null }, { amount: [5] }, { amount: { atLeast: 5 } }, { amount: 'five' }])(
      'refuses arguments that it cannot compare: %j',
      async (values) => {
        const { status, body } = await askMcp(app, call('pay', values), { token: paying() })
        expect([status, JSON.parse(body)]).toMatchObject([400, { id: 7, error: { code: -32_602 } }])
      },
    )
  })

  describe('with headers beside the body', () => {
    const base64 = (text: string) => `=?base64?${Buffer.from(text).toString('base64')}?=`

    it('decodes a name outside of ASCII', async () => {
      const asked = { token: reading(), headers: headersOf('tools/call', base64('größe')) }
      expect(await askMcp(app, call('größe'), asked)).toMatchObject({ status: 200 })
    })
    it.each<[string, unknown, Record<string, string>]>([
      ['another method', message('tools/list'), headersOf('tools/call')],
      ['a method in another case', call('whoami'), headersOf('Tools/Call', 'whoami')],
      ['another tool', call('whoami'), headersOf('tools/call', 'show')],
      ['another tool, without the method', call('whoami'), { 'mcp-name': 'show' }],
      ['another URI', message('resources/read', { uri: 'x://y' }), headersOf('resources/read', 'x://z')],
      ['a name that the body has not', message('tools/call'), headersOf('tools/call', 'whoami')],
      ['a method beside a batch', [call('whoami')], headersOf('tools/call')],
      ['a name beside a batch', [call('whoami')], { 'mcp-name': 'whoami' }],
      ['a method beside an answer', { jsonrpc: '2.0', id: 1, result: {} }, headersOf('tools/call')],
      ['base64 that is none', call('whoami'), headersOf('tools/call', '=?base64?d2hvYW1p!?=')],
      ['base64 with a space', call('show'), headersOf('tools/call', '=?base64?c2hv dw==?=')],
      ['base64 that is not canonical', call('show'), headersOf('tools/call', '=?base64?c2hvdx==?=')],
      ['base64 of no UTF-8', call('\ufffd'), headersOf('tools/call', '=?base64?/w==?=')],
      ['a name outside of ASCII', call('größe'), { 'mcp-method': 'tools/call', 'mcp-name': 'gr\u00f6\u00dfe' }],
      ['a name in the form of base64', call('=?base64?show?='), headersOf('tools/call', '=?base64?show?=')],
    ])('refuses %s as a mismatch', async (_what, body, headers) => {
      const { status, body: text } = await askMcp(app, body, { token: reading(), headers })
      expect([status, JSON.parse(text)]).toMatchObject([400, { jsonrpc: '2.0', error: { code: -32_020 } }])
    })
    it('answers a mismatch with the id of the message', async () => {
      const { body } = await askMcp(app, call('whoami'), { token: reading(), headers: headersOf('tools/list') })
      expect(JSON.parse(body).id).toBe(7)
    })
    it('lets an extension name what the protocol gives no name', async () => {
      const asked = { token: reading(), headers: headersOf('tasks/get', 'task-1') }
      expect(await askMcp(app, message('tasks/get'), asked)).toMatchObject({ status: 200 })
    })
  })

  describe('with a body that is none', () => {
    const padded = (bytes: number) => {
      const text = JSON.stringify(call('whoami'))
      return text + ' '.repeat(bytes - text.length)
    }
    it('takes a body of the limit', async () => {
      expect(await askMcp(app, padded(4_096), { token: reading() })).toMatchObject({ status: 200 })
    })
    it('refuses a body past it', async () => {
      expect(await askMcp(app, padded(4_097), { token: reading() })).toMatchObject({ status: 413 })
    })
    it('takes 100 messages, and refuses 101', async () => {
      const statusOf = async (count: number) =>
        (await askMcp(app, Array(count).fill({ method: 'ping' }), { token: reading() })).status
      expect([await statusOf(100), await statusOf(101)]).toEqual([200, 400])
    })
    it.each<[string, string | Uint8Array]>([
      ['nothing', ''],
      ['no JSON', '{'],
      ['two values', '{}{}'],
      ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
    ])('refuses %s', async (_what, body) => {
      const { status, body: text } = await askMcp(app, body, { token: reading() })
      expect([status, JSON.parse(text)]).toMatchObject([400, { id: null, error: { code: -32_700 } }])
    })
  })

  it('cannot decide while the keys cannot be loaded [RFC 9110 §15.6.4]', async () => {
    const broken = await startIssuer()
    broken.answers.set('/jwks', sendStatus(500))
    const behind = await start(guardSmallServer(guardOf(broken)))
    const { status, challenge } = await askMcp(behind, call('whoami'), { token: broken.token() })
    await behind.close()
    await broken.close()
    expect([status, challenge]).toEqual([503, undefined])
  })

  it('asks for the scopes of endpoint and tool at once', async () => {
    const behind = await start(guardSmallServer(guardOf(issuer), { policy: { scope: 'read' } }))
    const { challenge } = await askMcp(behind, call('write'), { token: issuer.token({ scope: 'read' }) })
    await behind.close()
    expect(challenge).toContain('scope="read write"')
  })

  it('holds every request to the policy of the endpoint', async () => {
    const behind = await start(guardSmallServer(guardOf(issuer), { policy: { scope: { any: ['write'] } } }))
    const asked = [message('ping'), call('whoami'), call('größe'), call('unknown')]
    const answers = await Promise.all(asked.map((body) => askMcp(behind, body, { token: reading() })))
    await behind.close()
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403])
  })

  describe('with a session', () => {
    const inSession = (id: string, claims: object) => {
      const asked = { token: issuer.token({ ...claims }), headers: { 'mcp-session-id': id } }
      return askMcp(app, message('ping'), asked)
    }
    it('lets its first user come again, with another token too', async () => {
      const statuses = [await inSession('one', { jti: '1' }), await inSession('one', { jti: '2' })]
      expect(statuses.map(({ status }) => status)).toEqual([200, 200])
    })
    it.each([{ sub: 'user-2' }, { client_id: 'client-2' }])('has none for another caller: %j', async (claims) => {
      const id = JSON.stringify(claims)
      await inSession(id, {})
      const { status, body } = await inSession(id, claims)
      expect([status, JSON.parse(body)]).toMatchObject([404, { error: { message: 'Session not found' } }])
    })
    const asking = () => {
      const { mayUse } = createSessionOwners()
      return (id: number, subject: string) =>
        mayUse({ method: 'POST', url: '/', headers: { 'mcp-session-id': String(id) } }, { subject } as Access)
    }
    it('forgets the oldest of 10,000, and no other', () => {
      const ask = asking()
      for (let id = 0; id <= 10_000; id++) ask(id, `owner-${id % 200}`)
      expect([ask(1, 'other'), ask(10_000, 'other'), ask(0, 'other')]).toEqual([false, false, true])
    })
    it('lets nobody push the sessions of others out', () => {
      const ask = asking()
      ask(0, 'owner')
      for (let id = 1; id <= 10_001; id++) ask(id, 'flood')
      expect([ask(0, 'flood'), ask(0, 'owner'), ask(1, 'owner'), ask(10_001, 'owner')]).toEqual([
        false,
        true,
        true,
        false,
      ])
    })
  })

  it('keeps the token from handlers', async () => {
    const token = issuer.token()
    await askMcp(app, call('show'), { token })
    expect(seen).toBeDefined()
    expect(inspect(seen, { depth: 9, showHidden: true })).not.toContain(token)
  })
})
