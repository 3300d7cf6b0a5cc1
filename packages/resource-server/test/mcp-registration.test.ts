import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accessOf, argument, McpCallRefused, mcpGuard, tokenVerifier } from '../src/adapters/mcp.ts'
import { policyOf } from '../src/index.ts'
import { type Guard, guardOf } from './guard.ts'
import { type Issuer, sendStatus, startIssuer } from './issuer.ts'
import { call, guardSmallServer, noteTemplate, type SmallNeeds, SmallServer } from './mcp-app.ts'

class InvalidToken extends Error {}
const invalidToken = (sentence: string): Error => new InvalidToken(sentence)

let issuer: Issuer
let api: Guard

beforeAll(async () => {
  issuer = await startIssuer()
  api = guardOf(issuer)
})
afterAll(() => issuer.close())

describe('a guarded MCP server', () => {
  it('lists everything with its policy', () => {
    const { policies } = guardSmallServer(api)
    expect(policies()).toEqual([
      { kind: 'tool', name: 'whoami', policy: { scope: 'read' } },
      { kind: 'tool', name: 'write', policy: { scope: 'write' } },
      { kind: 'tool', name: 'größe', policy: {} },
      { kind: 'prompt', name: 'review', policy: { scope: 'write' } },
      { kind: 'resource', name: 'settings://app', policy: { scope: 'write' } },
      { kind: 'resource', name: 'note://{id}', policy: { scope: 'write' } },
    ])
  })

  it('says what every request to the endpoint needs', () => {
    const { middleware, protect } = guardSmallServer(api, { policy: { scope: 'read' } })
    const guarded = protect(() => new Response())
    expect([policyOf(middleware), policyOf(guarded)]).toEqual([{ scope: 'read' }, { scope: 'read' }])
  })

  it.each<[string, (server: SmallServer) => void]>([
    ['a tool', (server) => server.registerTool('open', {}, () => '')],
    ['a prompt', (server) => server.registerPrompt('open', {}, () => '')],
    ['a resource', (server) => server.registerResource('open', noteTemplate, {}, () => '')],
    ['a tool as a task', ({ experimental }) => void experimental],
    ['a tool in the older way', (server) => server.tool('open', () => '')],
  ])('does not start with %s that has no policy', (_what, register) => {
    const server = new SmallServer()
    const start = () =>
      mcpGuard(
        api,
        () => server,
        () => register(server),
      )
    expect(start).toThrow('has no policy')
  })

  it('does not start with a scope that the resource does not declare, nor compile', () => {
    const start = () =>
      guardSmallServer(api, {}, (needs) => {
        // @ts-expect-error: the resource has `read` and `write`
        needs({ scope: 'other' }).registerTool('x', {}, () => '')
      })
    expect(start).toThrow('policy: scope is "other"')
  })

  it('does not start with a mistake beside an argument', () => {
    const start = () =>
      guardSmallServer(api, {}, (needs) => {
        const authorizationDetails = { type: '', members: { amount: { atLeast: argument('amount') } } }
        needs({ authorizationDetails }).registerTool('x', {}, () => '')
      })
    expect(start).toThrow('policy: authorizationDetails.type')
  })

  it('does not start with arguments in the policy of a resource', () => {
    const start = () =>
      guardSmallServer(api, {}, (needs) => {
        const authorizationDetails = { type: 'note', identifier: argument('id') }
        needs({ authorizationDetails }).registerResource('x', 'x://y', {}, () => '')
      })
    expect(start).toThrow('a resource is read without arguments')
  })

  it('does not start with two policies for one tool', () => {
    const start = () =>
      guardSmallServer(api, {}, (needs) => needs({ scope: 'read' }).registerTool('write', {}, () => ''))
    expect(start).toThrow('the tool "write" has two policies')
  })

  it('does not start for a resource that takes tokens from elsewhere than the header', () => {
    expect(() => guardSmallServer(guardOf(issuer, { transports: { query: true } }))).toThrow('MCP by header only')
  })

  it('makes one server after the other', () => {
    const { createServer } = guardSmallServer(api)
    expect(createServer()).not.toBe(createServer())
  })
})

describe('the second look', () => {
  it('runs nothing for a call that passed no guard', async () => {
    const server = guardSmallServer(api).createServer()
    await expect(server.answer(call('whoami'), {})).rejects.toThrow(McpCallRefused)
  })

  it('does not believe an access that somebody else put there', async () => {
    const server = guardSmallServer(api).createServer()
    const authInfo = { extra: { access: { subject: 'admin', scopes: ['read', 'write'] } } }
    await expect(server.answer(call('whoami'), { authInfo })).rejects.toThrow(McpCallRefused)
  })

  it('goes on when a tool gets another name and another handler', async () => {
    const guard = guardSmallServer(api, {}, (needs) => {
      const registered = needs({ scope: 'write' }).registerTool('old', {}, () => '')
      registered.update({ name: 'new', callback: () => 'reached' })
    })
    const authInfo = await tokenVerifier(api, invalidToken).verifyAccessToken(issuer.token())
    await expect(guard.createServer().answer(call('new'), { authInfo })).rejects.toThrow('lacks a scope')
    expect(guard.policies()).toContainEqual({ kind: 'tool', name: 'new', policy: { scope: 'write' } })
  })

  it('holds a tool to its policy where the SDK checked the token', async () => {
    const server = guardSmallServer(api).createServer()
    const authInfo = await tokenVerifier(api, invalidToken).verifyAccessToken(issuer.token())
    expect(await server.answer(call('whoami'), { authInfo })).toBe('user-1')
    await expect(server.answer(call('write'), { authInfo })).rejects.toThrow('lacks a scope')
  })

  it('lists what a template has only for those who may read it', async () => {
    const template = {
      uriTemplate: { match: () => null, toString: () => 'memo://{id}' },
      listCallback: () => ({ resources: [{ uri: 'memo://7' }] }),
    }
    const register = (needs: SmallNeeds) => needs({ scope: 'write' }).registerResource('memo', template, {}, () => '')
    const server = guardSmallServer(api, {}, register).createServer()
    const list = async (scope: string) => {
      const authInfo = await tokenVerifier(api, invalidToken).verifyAccessToken(issuer.token({ scope }))
      return await server.answer({ method: 'resources/list' }, { authInfo })
    }
    expect(await list('read')).toBe('[{"resources":[]}]')
    expect(await list('read write')).toBe('[{"resources":[{"uri":"memo://7"}]}]')
    await expect(server.answer({ method: 'resources/list' }, {})).resolves.toBe('[{"resources":[]}]')
  })

  it('tells the hook of the SDK which scopes to ask for', async () => {
    class HookedServer extends SmallServer {
      readonly hooks = new Map<string, (question: object) => unknown>()
      resolveScopeChallenge(): void {}
      override registerTool(name: string, config: object, _handler: unknown) {
        const { scopeChallenge } = config as { scopeChallenge: (question: object) => unknown }
        this.hooks.set(name, scopeChallenge)
        return super.registerTool(name, config, () => '')
      }
    }
    const guard = mcpGuard(
      api,
      () => new HookedServer(),
      (needs) => {
        needs({ scope: ['read', 'write'] }).registerTool('both', {}, () => '')
        needs({ scope: 'read' }).registerTool('one', {}, () => '')
        needs({ acr: 'mfa' }).registerTool('acr', {}, () => '')
      },
    )
    const authInfo = await tokenVerifier(api, invalidToken).verifyAccessToken(issuer.token())
    const { hooks } = guard.createServer()
    const ask = (name: string) => hooks.get(name)?.({ authInfo, request: {} })
    expect([await ask('both'), await ask('one'), await ask('acr')]).toEqual([
      { scopes: ['read', 'write'] },
      undefined,
      undefined,
    ])
  })
})

describe('the token verifier', () => {
  it('gives the SDK what it wants to know, but no token', async () => {
    const authInfo = await tokenVerifier(api, invalidToken).verifyAccessToken(issuer.token())
    expect(authInfo).toMatchObject({
      token: '(withheld)',
      clientId: 'client-1',
      scopes: ['read'],
      expiresAt: expect.any(Number),
      resource: new URL('https://api.example.com'),
      resourceMetadataUrl: api.metadataUrl,
    })
    expect(accessOf({ authInfo }).subject).toBe('user-1')
  })

  it.each(['garbage', '', 'a b'])('refuses %j with the error of the SDK', async (token) => {
    await expect(tokenVerifier(api, invalidToken).verifyAccessToken(token)).rejects.toThrow(InvalidToken)
  })

  it('refuses in an outage with another error, for which nobody is logged out', async () => {
    const broken = await startIssuer()
    broken.answers.set('/jwks', sendStatus(500))
    const error = await tokenVerifier(guardOf(broken), invalidToken)
      .verifyAccessToken(broken.token())
      .catch((thrown: unknown) => thrown)
    await broken.close()
    expect(error).toBeInstanceOf(Error)
    expect(error).not.toBeInstanceOf(InvalidToken)
  })

  it('says aloud where no guard was', () => {
    expect(() => accessOf({})).toThrow('passed no guard')
  })
})
