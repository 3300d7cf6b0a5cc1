import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ActorPolicy } from '../src/index.ts'
import { type Guard, guardOf } from './guard.ts'
import { type Issuer, startIssuer } from './issuer.ts'
import { challengeOf, decide, reasonOf } from './policy-demands.ts'

let issuer: Issuer
let guard: Guard

beforeAll(async () => {
  issuer = await startIssuer()
  guard = guardOf(issuer)
})
afterAll(() => issuer.close())

const agent1 = { sub: 'agent-1', client_id: 'client-9' }
const agent2 = { sub: 'agent-2', act: agent1 }
const judge = async (actor: ActorPolicy, act: unknown, sub = 'user-1') =>
  reasonOf(await decide(guard, issuer, { actor }, { act, sub }))

describe('a route without a policy for actors', () => {
  it.each([undefined, agent1, agent2])('takes a token with act %j', async (act) => {
    expect(reasonOf(await decide(guard, issuer, {}, { act }))).toBe('good')
  })
})

describe('a policy for actors', () => {
  it.each<readonly [ActorPolicy, unknown, string]>([
    ['none', undefined, 'good'],
    ['none', agent1, 'token.actor'],
    [{ required: true }, undefined, 'token.actor'],
    [{ required: true }, agent1, 'good'],
    [{ required: false }, undefined, 'good'],
    [{ allowed: ['agent-1'] }, agent1, 'good'],
    [{ allowed: ['agent-1'] }, { sub: 'agent-3' }, 'token.actor'],
    [{ allowed: ['agent-1'] }, { sub: 'Agent-1' }, 'token.actor'],
    [{ allowed: ['agent-3', 'agent-1'] }, agent1, 'good'],
    // Those who may act may also be absent, unless they are required.
    [{ allowed: ['agent-1'] }, undefined, 'good'],
    [{ allowed: ['agent-1'], required: true }, undefined, 'token.actor'],
    [{ allowed: [{ clientId: 'client-9' }] }, agent1, 'good'],
    [{ allowed: [{ clientId: 'agent-1' }] }, agent1, 'token.actor'],
    [{ allowed: ['client-9'] }, agent1, 'token.actor'],
    [{ allowed: ['client-9'] }, { client_id: 'client-9' }, 'token.actor'],
    [{ allowed: [{ subject: 'agent-1', clientId: 'client-8' }] }, agent1, 'token.actor'],
    [{ maxDepth: 1 }, undefined, 'good'],
    [{ maxDepth: 1 }, agent1, 'good'],
    [{ maxDepth: 1 }, agent2, 'token.actor'],
    [{ maxDepth: 2 }, agent2, 'good'],
  ])('%j judges act %j: %s [RFC 8693 §4.1(c)]', async (actor, act, reason) => {
    expect(await judge(actor, act)).toBe(reason)
  })

  it('looks at who acts now and never at who acted before [RFC 8693 §4.1(e)(f)]', async () => {
    expect(await judge({ allowed: ['agent-1'] }, agent2)).toBe('token.actor')
    expect(await judge({ allowed: ['agent-2'] }, agent2)).toBe('good')
  })

  it('may allow an actor for some subjects only', async () => {
    const actor = { allowed: [{ subject: 'agent-1', for: ['user-1', 'user-2'] }, 'agent-3'] }
    expect(await judge(actor, agent1, 'user-2')).toBe('good')
    expect(await judge(actor, agent1, 'user-3')).toBe('token.actor')
    expect(await judge(actor, { sub: 'agent-3' }, 'user-3')).toBe('good')
  })

  it('takes a name only from the issuer it means [RFC 8693 §4.1(c)]', async () => {
    const foreign = { sub: 'agent-1', iss: 'https://as.example.org' }
    expect(await judge({ allowed: ['agent-1'] }, foreign)).toBe('token.actor')
    expect(await judge({ allowed: ['agent-1'] }, { sub: 'agent-1', iss: issuer.issuer })).toBe('good')
    const named = { allowed: [{ subject: 'agent-1', issuer: 'https://as.example.org' }] }
    expect(await judge(named, foreign)).toBe('good')
    expect(await judge(named, agent1)).toBe('token.actor')
  })

  it('answers 403 without a scope, which would not help [RFC 6750 §3.1(c)]', async () => {
    const decision = await decide(guard, issuer, { scope: 'read', actor: 'none' }, { act: agent1 })
    expect(decision).toMatchObject({ ok: false, reason: 'token.actor', status: 403 })
    expect(challengeOf(decision)).toEqual({
      error: 'insufficient_scope',
      error_description: 'The access token does not permit this request.',
      resource_metadata: guard.metadataUrl,
    })
  })

  it('is explained with the actor by name', async () => {
    const actor = { required: true, allowed: ['agent-1', { clientId: 'client-8' }], maxDepth: 1 }
    const steps = await guard.explain(issuer.token({ act: agent2 }), { actor })
    expect(steps.slice(-3).map(({ check, passed, expected, received }) => [check, passed, expected, received])).toEqual(
      [
        ['actor', true, 'an actor', 'agent-2'],
        ['allowed actor', false, 'agent-1 client-8', 'agent-2'],
        ['actor depth', false, 'at most 1', 2],
      ],
    )
  })
})

it('a handler reads who acts [RFC 8693 §4.1(d)]', async () => {
  const decision = await decide(guard, issuer, {}, { act: agent2 })
  expect(decision.ok && decision.access.actors.map(({ subject }) => subject)).toEqual(['agent-2', 'agent-1'])
})
