// An API with a guard as a process of its own: argv[2] is a GuardOrder.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type ResourceServerOptions, resourceServer } from '@arctos/resource-server'
import { protect } from '@arctos/resource-server/node'
import { type GuardOrder, setting } from './setting.ts'

const order = JSON.parse(process.argv[2] ?? '{}') as GuardOrder
const { issuer, nodePort, knows, staleAfterSeconds, unavailableAfterSeconds } = order
const { resource, operator } = setting
const scopes = { [setting.scope]: 'Read' }
const revocations = {
  clientId: operator.id,
  clientSecret: operator.secret,
  ...(staleAfterSeconds === undefined ? {} : { staleAfterSeconds }),
  ...(unavailableAfterSeconds === undefined ? {} : { unavailableAfterSeconds }),
}
const http = createServer((request, response) => void route(request, response))
http.keepAliveTimeout = 60_000
await new Promise<void>((resolve) => http.listen(order.port ?? 0, '127.0.0.1', resolve))
const { port } = http.address() as AddressInfo

const options: ResourceServerOptions<typeof scopes> = {
  resource,
  authorizationServers: [issuer],
  scopes,
  journal: () => undefined,
  // A balancer would do this: questions go to another node than revocations do.
  fetch: (url, init) => fetch(nodePort === undefined ? url : url.replace(new URL(issuer).port, String(nodePort)), init),
  ...knowledge(),
}
const api = resourceServer(options)
const usual = protect(api, { scope: setting.scope }, (_request, response) => end(response))
const strict = protect(api, { scope: setting.scope, revocations: 'strict' }, (_request, response) => end(response))

function knowledge(): Partial<ResourceServerOptions<typeof scopes>> {
  switch (knows) {
    case 'feed by poll':
      return { revocations }
    case 'feed by push':
      return { revocations: { ...revocations, delivery: 'push', endpoint: `http://127.0.0.1:${port}/events` } }
    case 'status list':
      return { experimental: { tokenStatusList: 'draft-21' } }
  }
}

function route(request: Parameters<typeof usual>[0], response: Parameters<typeof usual>[1]): unknown {
  if (request.url === '/strict') return strict(request, response)
  return usual(request, response)
}

function end(response: Parameters<typeof usual>[1]): void {
  response.writeHead(200, { 'content-length': 2 }).end('ok')
}

process.on('disconnect', () => process.exit())
process.send?.({ port })
