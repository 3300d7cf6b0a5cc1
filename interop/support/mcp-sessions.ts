import { randomUUID } from 'node:crypto'
import { resourceServer } from '@arctos/resource-server'
import { testAuthorizationServer } from '@arctos/testing'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import { listen } from './listening.ts'
import { guardFirst } from './mcp-lines.ts'
import { check } from './scenario.ts'

/** A server that keeps sessions: its client works with one as usual, and a token of somebody else does not open it. */
export async function checkSessions(): Promise<void> {
  await using as = await testAuthorizationServer()
  const guard = guardFirst(
    resourceServer({
      resource: 'https://api.example.com',
      authorizationServers: [as.issuer],
      scopes: { read: 'Read', write: 'Write' },
      fetch: as.fetch,
      now: as.clock.now,
      journal: () => {},
    }),
  )
  const sessions = new Map<string, StreamableHTTPServerTransport>()
  const app = express()
  app.all('/mcp', guard.middleware, async (request, response) => {
    const known = sessions.get(String(request.headers['mcp-session-id']))
    const transport = known ?? new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID })
    if (known === undefined) await guard.createServer().connect(transport as never)
    await transport.handleRequest(request, response, request.body)
    if (transport.sessionId !== undefined) sessions.set(transport.sessionId, transport)
  })
  const { origin, close } = await listen(app)
  const client = new Client({ name: 'interop', version: '1.0.0' })
  const headersOf = async (sub: string) => ({ authorization: `Bearer ${await as.accessToken({ sub })}` })
  try {
    const url = new URL(`${origin}/mcp`)
    const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers: await headersOf('alice') } })
    await client.connect(transport as Parameters<typeof client.connect>[0])
    const answer = JSON.stringify(await client.callTool({ name: 'read', arguments: {} }))
    check(answer.includes('reached by'), answer)
    const stolen = { ...(await headersOf('mallory')), 'mcp-session-id': transport.sessionId ?? '' }
    for (const method of ['GET', 'DELETE']) {
      const { status } = await fetch(url, { method, headers: { ...stolen, accept: 'text/event-stream' } })
      check(status === 404, `${method} with the session of another user: ${status}`)
    }
    const again = JSON.stringify(await client.callTool({ name: 'write', arguments: {} }))
    check(again.includes('reached by'), again)
  } finally {
    await client.close()
    await close()
  }
}
