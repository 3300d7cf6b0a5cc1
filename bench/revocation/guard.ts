// An API with a guard as a process of its own: argv[2] is a GuardOrder.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type ResourceServerOptions, resourceServer } from '@arctos/resource-server'
import { protect, revocationEvents } from '@arctos/resource-server/node'
import { type GuardOrder, setting } from './setting.ts'

const order = JSON.parse(process.argv[2] ?? '{}') as GuardOrder
const { issuer, nodePort, port, knows, staleAfterSeconds, unavailableAfterSeconds } = order
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
await new Promise<void>((resolve) => http.listen(order.port, '127.0.0.1', resolve))

const options: ResourceServerOptions<typeof scopes> = {
  resource,
  authorizationServers: [issuer],
  scopes,
  journal: () => undefined,
  // A balancer would do this: questions go to another node than revocations do.
  fetch: (url, init) => fetch(url.replace(new URL(issuer).port, String(nodePort)), init),
  ...knowledge(),
}
const api = resourceServer(options)
const end = (_request: unknown, response: ServerResponse): void => {
  response.writeHead(200, { 'content-length': 2 }).end('ok')
}
const usual = protect(api, { scope: setting.scope }, end)
const strict = knows === 'status list' ? usual : protect(api, { scope: setting.scope, revocations: 'strict' }, end)
const events = knows === 'feed by push' ? revocationEvents(api) : undefined
process.on('disconnect', () => process.exit())
process.send?.({ port })

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

function route(request: IncomingMessage, response: ServerResponse): unknown {
  if (request.url === '/events' && events !== undefined) return events(request, response)
  return request.url === '/strict' ? strict(request, response) : usual(request, response)
}
