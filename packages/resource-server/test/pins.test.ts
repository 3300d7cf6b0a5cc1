import { expect, it } from 'vitest'
import * as express from '../src/adapters/express.ts'
import * as fastify from '../src/adapters/fastify.ts'
import * as fetchAdapter from '../src/adapters/fetch.ts'
import * as hono from '../src/adapters/hono.ts'
import * as node from '../src/adapters/node.ts'
import * as index from '../src/index.ts'

it('exports exactly this', () => {
  const names = Object.entries({ index, express, fastify, fetchAdapter, hono, node }).map(([name, module]) => [
    name,
    Object.keys(module).sort(),
  ])
  expect(Object.fromEntries(names)).toEqual({
    index: ['accessOf', 'holdsAuthorizationDetails', 'policyOf', 'readJournalLine', 'resourceServer'],
    express: ['protect', 'protectedResourceMetadata'],
    fastify: ['protect', 'protectedResourceMetadata'],
    fetchAdapter: ['protect', 'protectedResourceMetadata', 'toResponse'],
    hono: ['protect', 'protectedResourceMetadata'],
    node: ['protect', 'protectedResourceMetadata'],
  })
})

it('describes a resource by exactly this', () => {
  const api = index.resourceServer({
    resource: 'https://a.example',
    authorizationServers: ['https://b.example'],
    scopes: {},
  })
  expect(Object.keys(api).sort()).toEqual([
    'authorize',
    'endOf',
    'explain',
    'findRefusal',
    'guard',
    'metadata',
    'metadataPath',
    'metadataUrl',
    'metrics',
    'permit',
    'reload',
    'resource',
    'revoke',
    'verifier',
  ])
})
