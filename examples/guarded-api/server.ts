// A guarded API and nothing else: no framework, no authorization server of its own. README.md says how to run it.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { accessOf, resourceServer } from '@arctos/resource-server'
import { protect, protectedResourceMetadata } from '@arctos/resource-server/node'

/** An environment variable; an empty one counts as absent. */
function environment(name: string): string | undefined {
  return process.env[name] || undefined
}

function required(name: string): string {
  const value = environment(name)
  if (value !== undefined) return value
  console.error(`${name} is not set; README.md lists the variables`)
  process.exit(1)
}

const scope = environment('SCOPE') ?? 'read'
const clientId = environment('RS_CLIENT_ID')
const clientSecret = environment('RS_CLIENT_SECRET')

const api = resourceServer({
  resource: required('AUDIENCE'),
  authorizationServers: [required('ISSUER')],
  scopes: { [scope]: 'Read', write: 'Change' },
  jwksUri: environment('JWKS_URI'),
  typ: environment('TOKEN_TYP') === 'JWT' ? 'JWT' : 'at+jwt',
  introspection: clientId && clientSecret ? { clientId, clientSecret } : undefined,
})

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

function answerWithAccess(request: IncomingMessage, response: ServerResponse): void {
  const { subject, clientId, scopes } = accessOf(request)
  answer(response, 200, { subject, clientId, scopes })
}

const metadata = protectedResourceMetadata(api)
const read = protect(api, { scope }, answerWithAccess)
const write = protect(api, { scope: 'write' }, answerWithAccess)

const server = createServer((request, response) => {
  if (metadata(request, response)) return
  const path = request.url?.split('?')[0]
  if (request.method !== 'GET') answer(response, 405, { error: 'method_not_allowed' })
  else if (path === '/public') answer(response, 200, { open: true })
  else if (path === '/read') void read(request, response)
  else if (path === '/write') void write(request, response)
  else answer(response, 404, { error: 'not_found' })
})

server.listen(Number(environment('PORT') ?? 4002), '127.0.0.1', () => {
  console.log(`guarded API on http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    server.close(() => process.exit(0))
    setTimeout(() => server.closeAllConnections(), 2_000).unref()
  })
}
