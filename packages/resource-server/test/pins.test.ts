import { expect, it } from 'vitest'
import * as express from '../src/adapters/express.ts'
import * as fastify from '../src/adapters/fastify.ts'
import * as fetchAdapter from '../src/adapters/fetch.ts'
import * as hono from '../src/adapters/hono.ts'
import * as koa from '../src/adapters/koa.ts'
import * as nest from '../src/adapters/nest.ts'
import * as node from '../src/adapters/node.ts'
import * as index from '../src/index.ts'

it('exports exactly this', () => {
  const names = Object.entries({ index, express, fastify, fetchAdapter, hono, koa, nest, node }).map(
    ([name, module]) => [name, Object.keys(module).sort()],
  )
  expect(Object.fromEntries(names)).toEqual({
    index: [
      'accessOf',
      'headerValues',
      'holdsAuthorizationDetails',
      'policyOf',
      'readJournalLine',
      'requirePolicy',
      'resourceServer',
    ],
    express: ['open', 'protect', 'protectedResourceMetadata', 'routesOf'],
    fastify: ['guardRoutes', 'protect', 'protectedResourceMetadata'],
    fetchAdapter: ['protect', 'protectedResourceMetadata', 'revocationEvents', 'toResponse'],
    hono: ['open', 'protect', 'protectedResourceMetadata', 'routesOf'],
    koa: ['open', 'protect', 'protectedResourceMetadata', 'routesOf'],
    nest: ['Open', 'Protect', 'accessGuard', 'protectedResourceMetadata', 'routesOf'],
    node: ['protect', 'protectUpgrade', 'protectedResourceMetadata', 'revocationEvents'],
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
    'close',
    'endOf',
    'explain',
    'findRefusal',
    'guard',
    'metadata',
    'metadataPath',
    'metadataUrl',
    'metrics',
    'permit',
    'receiveEvents',
    'reload',
    'resource',
    'revocationStatus',
    'revoke',
    'verifier',
  ])
})
