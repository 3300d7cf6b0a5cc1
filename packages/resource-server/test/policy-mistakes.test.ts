import { describe, expect, it } from 'vitest'
import * as express from '../src/adapters/express.ts'
import * as fastify from '../src/adapters/fastify.ts'
import * as fetch from '../src/adapters/fetch.ts'
import * as hono from '../src/adapters/hono.ts'
import * as koa from '../src/adapters/koa.ts'
import * as node from '../src/adapters/node.ts'
import { type Policy, resourceServer } from '../src/index.ts'
import { resource } from './issuer.ts'
import { mistakeOf } from './policy-demands.ts'

const options = {
  resource,
  authorizationServers: ['https://as.example.com'],
  scopes: { read: 'Read notes', write: 'Change notes' },
}
const api = resourceServer(options)
const detail = (demand: object) => ({ authorizationDetails: { type: 'payment', ...demand } })
const member = (rule: unknown) => detail({ members: { amount: rule } })

describe('a policy that is no policy is refused when the route is set up', () => {
  it.each<readonly [string, unknown, string]>([
    ['a text', 'read', 'policy: allowed is an object with scope, audience, acr, '],
    ['null', null, 'policy: allowed is an object with '],
    ['a list', [{ scope: 'read' }], 'policy: allowed is an object with '],
    ['a slip in the name of a member', { scopes: 'read' }, 'policy: scopes is "read"; allowed are scope, audience, '],
    ['a member without value', { scope: undefined }, 'policy: scope is undefined; allowed is a value'],

    ['an undeclared scope', { scope: 'admin' }, 'policy: scope is "admin"; allowed are the scopes of the resource: '],
    ['no scopes', { scope: [] }, 'policy: scope is an empty list; '],
    ['no alternatives', { scope: { any: [] } }, 'policy: scope is an empty list; '],
    ['an undeclared alternative', { scope: { any: ['read', 'admin'] } }, 'policy: scope is "admin"; '],
    ['a scope in another form', { scope: { all: ['read'] } }, 'policy: scope.all is ["read"]; allowed are any'],
    ['an empty object for scopes', { scope: {} }, 'policy: scope is undefined; '],
    ['two scopes in one text', { scope: 'read write' }, 'policy: scope is "read write"; '],
    ['a scope that is a number', { scope: [7] }, 'policy: scope is 7; '],

    ['an undeclared audience', { audience: 'https://b.example' }, 'policy: audience is "https://b.example"; allowed'],
    ['no audiences', { audience: [] }, 'policy: audience is an empty list; '],

    ['no contexts', { acr: [] }, 'policy: acr is an empty list; '],
    ['an empty context', { acr: [''] }, 'policy: acr is ""; '],
    ['two contexts in one text', { acr: 'mfa pwd' }, 'policy: acr is "mfa pwd"; '],
    ['a context with a quote', { acr: ['"'] }, 'policy: acr is "\\""; '],
    ['an age as text', { maxAgeSeconds: '300' }, 'policy: maxAgeSeconds is "300"; allowed is a whole number'],
    ['an age with a fraction', { maxAgeSeconds: 0.5 }, 'policy: maxAgeSeconds is 0.5; '],
    ['a negative age', { maxAgeSeconds: -1 }, 'policy: maxAgeSeconds is -1; '],
    ['an age that is no number', { maxAgeSeconds: Number.NaN }, 'policy: maxAgeSeconds is null; '],
    ['an endless age', { maxAgeSeconds: Number.POSITIVE_INFINITY }, 'policy: maxAgeSeconds is null; '],
    ['the age under another name', { maxAge: 300 }, 'policy: maxAge is 300; '],

    ['no details', { authorizationDetails: [] }, 'policy: authorizationDetails is an empty list; '],
    ['details as text', { authorizationDetails: 'payment' }, 'policy: authorizationDetails is "payment"; '],
    ['details without type', { authorizationDetails: {} }, 'policy: authorizationDetails.type is undefined; '],
    ['details with an empty type', detail({ type: '' }), 'policy: authorizationDetails.type is ""; '],
    [
      'a slip in details',
      detail({ action: 'pay' }),
      'policy: authorizationDetails.action is "pay"; allowed are type, ',
    ],
    ['no actions', detail({ actions: [] }), 'policy: authorizationDetails.actions is an empty list; '],
    ['an action without value', detail({ actions: undefined }), 'policy: authorizationDetails.actions is undefined; '],
    ['actions that are no texts', detail({ actions: [1] }), 'policy: authorizationDetails.actions is 1; '],
    ['several identifiers', detail({ identifier: ['a'] }), 'policy: authorizationDetails.identifier is ["a"]; '],
    ['no members', detail({ members: {} }), 'policy: authorizationDetails.members is {}; '],
    [
      'a path with a hole',
      detail({ members: { 'a..b': { equals: 1 } } }),
      'policy: authorizationDetails.members is "a..b"',
    ],
    ['a member without rule', member({}), 'policy: authorizationDetails.members.amount is {}; '],
    [
      'a bare value for a rule',
      member(7),
      'policy: authorizationDetails.members.amount is 7; allowed is an object with',
    ],
    [
      'an unknown rule',
      member({ max: 7 }),
      'policy: authorizationDetails.members.amount.max is 7; allowed are equals, ',
    ],
    [
      'a rule of every object',
      member({ constructor: 7 }),
      'policy: authorizationDetails.members.amount.constructor is 7',
    ],
    ['an argument that is missing', member({ equals: undefined }), 'members.amount.equals is undefined; '],
    ['an argument that is an object', member({ equals: {} }), 'members.amount.equals is {}; '],
    ['a limit that is no number', member({ atLeast: Number.NaN }), 'members.amount.atLeast is null; '],
    ['a limit that is no decimal', member({ atLeast: '1e3' }), 'members.amount.atLeast is "1e3"; '],
    ['a limit of 16 digits', member({ atMost: '1234567890123456' }), 'members.amount.atMost is "1234567890123456"; '],
    ['no values to choose from', member({ oneOf: [] }), 'members.amount.oneOf is an empty list; '],

    ['an unknown word for actors', { actor: 'any' }, 'policy: actor is "any"; allowed is none, or an object'],
    ['no rules for actors', { actor: {} }, 'policy: actor is {}; '],
    [
      'a slip in the rules',
      { actor: { depth: 1 } },
      'policy: actor.depth is 1; allowed are required, allowed, maxDepth',
    ],
    ['a word for required', { actor: { required: 'yes' } }, 'policy: actor.required is "yes"; '],
    ['nobody allowed', { actor: { allowed: [] } }, 'policy: actor.allowed is an empty list; '],
    ['an actor without name', { actor: { allowed: [''] } }, 'policy: actor.allowed is ""; '],
    [
      'an actor by issuer only',
      { actor: { allowed: [{ issuer: 'https://a.example' }] } },
      'policy: actor.allowed is {',
    ],
    ['a slip in an actor', { actor: { allowed: [{ sub: 'a' }] } }, 'policy: actor.allowed.sub is "a"; allowed are '],
    [
      'an actor for nobody',
      { actor: { allowed: [{ subject: 'a', for: [] }] } },
      'policy: actor.allowed.for is an empty',
    ],
    [
      'a depth of none',
      { actor: { maxDepth: 0 } },
      'policy: actor.maxDepth is 0; allowed are 1 to 8; for no actor at all',
    ],
    ['a depth beyond 8', { actor: { maxDepth: 9 } }, 'policy: actor.maxDepth is 9; '],

    ['a word for fresh', { fresh: 'yes' }, 'policy: fresh is "yes"; '],
    [
      'fresh without introspection',
      { fresh: true },
      'policy: fresh is true; allowed only where introspection is configured',
    ],
  ])('%s: %j', (_name, policy, message) => {
    expect(mistakeOf(api, policy)).toContain(message)
  })

  it('by every function that takes one', async () => {
    const policy = { scope: 'admin' } as Policy as Policy<'read'>
    const request = { method: 'GET', url: '/', headers: {} }
    await expect(api.authorize(request, policy)).rejects.toThrow(TypeError)
    await expect(api.explain('token', policy)).rejects.toThrow(TypeError)
    expect(() => api.verifier(policy)).toThrow(TypeError)
  })

  it('by the compiler where a scope is not declared', () => {
    // @ts-expect-error: the scope is a typo
    expect(() => api.guard({ scope: 'reed' })).toThrow(TypeError)
    // @ts-expect-error: so is this one, among alternatives
    expect(() => api.guard({ scope: { any: ['read', 'wriet'] } })).toThrow(TypeError)
    // @ts-expect-error: the member is a typo
    expect(() => api.guard({ scopes: 'read' })).toThrow(TypeError)
  })

  it('by the compiler in every adapter', () => {
    const handler = () => new Response()
    // @ts-expect-error: Express
    expect(() => express.protect(api, { scope: 'reed' })).toThrow(TypeError)
    // @ts-expect-error: Fastify
    expect(() => fastify.protect(api, { scope: 'reed' })).toThrow(TypeError)
    // @ts-expect-error: Hono
    expect(() => hono.protect(api, { scope: 'reed' })).toThrow(TypeError)
    // @ts-expect-error: Koa
    expect(() => koa.protect(api, { scope: 'reed' })).toThrow(TypeError)
    // @ts-expect-error: Fetch
    expect(() => fetch.protect(api, { scope: 'reed' }, handler)).toThrow(TypeError)
    // @ts-expect-error: node:http
    expect(() => node.protect(api, { scope: 'reed' }, handler)).toThrow(TypeError)
    expect(() => express.protect(api, { scope: ['read', 'write'] })).not.toThrow()
  })
})

describe('the audiences of a resource', () => {
  it.each([['x'], ['https://a.example/#b'], [7], [resource]])('%j is refused at start: %j', (audience) => {
    const audiences = [audience as string]
    expect(() => resourceServer({ ...options, audiences })).toThrow(/^resourceServer: audiences is /)
  })

  it('are a list', () => {
    const audiences = `${resource}/payments` as unknown as string[]
    expect(() => resourceServer({ ...options, audiences })).toThrow(/^resourceServer: audiences is /)
  })
})
