// A server of one framework as a process of its own: one route that is open, and the same route behind several guards.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type ResourceServer, resourceServer } from '@arctos/resource-server'
import { protect } from '@arctos/resource-server/node'
import { startExpress, startFastify, startHono } from './frameworks.ts'
import { body, cold, open, type Ready, type ServerSetting, scope, warm } from './setting.ts'

const setting = JSON.parse(process.argv[2] ?? '') as ServerSetting
const { issuer, audience, framework } = setting

/** @param size how many verified tokens are remembered */
function api(size: number): ResourceServer<typeof scope> {
  return resourceServer({
    resource: audience,
    authorizationServers: [issuer],
    scopes: { [scope]: 'Read notes' },
    verifiedTokens: { size },
  })
}

const guards = { cold: api(0), warm: api(10_000) }

function startNode(): Promise<number> {
  const answer = (
    _request: unknown,
    response: { writeHead: (...parts: never[]) => unknown; end: (text: string) => unknown },
  ) => {
    const write = response.writeHead as (status: number, headers: Record<string, string>) => unknown
    write.call(response, 200, { 'content-type': 'application/json', 'content-length': String(body.length) })
    response.end(body)
  }
  const listeners = new Map<string, (request: never, response: never) => unknown>([
    [open.path, answer as never],
    [cold.path, protect(guards.cold, { scope }, answer as never) as never],
    [warm.path, protect(guards.warm, { scope }, answer as never) as never],
  ])
  const server = createServer((request, response) => {
    const listener = listeners.get(request.url ?? '')
    if (listener === undefined) response.writeHead(404).end()
    else void listener(request as never, response as never)
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

const starts = { 'node:http': startNode, 'Express 5': startExpress, 'Fastify 5': startFastify, Hono: startHono }
const port = await starts[framework](setting, guards)
process.on('disconnect', () => process.exit())
process.send?.({ port } satisfies Ready)
