import type { RequestListener } from 'node:http'
import { resourceServer } from '@arctos/resource-server'
import { tokenVerifier } from '@arctos/resource-server/mcp'
import { testAuthorizationServer } from '@arctos/testing'
import { getRequestListener } from '@hono/node-server'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { createMcpHandler, OAuthError, OAuthErrorCode, requireBearerAuth } from '@modelcontextprotocol/server'
import express, { type RequestHandler } from 'express'
import { listen } from './listening.ts'
import { guardFirst, guardSecond, type McpApi } from './mcp-lines.ts'
import { check } from './scenario.ts'

/** Servers that keep the SDK's own check of the header, with our verifier behind it. */
export const ownChecks: Readonly<Record<'first' | 'second', (api: McpApi) => Promise<RequestListener>>> = {
  async first(api) {
    // Untyped, for these types too are about the whole program.
    const folder = '@modelcontextprotocol/sdk/server/auth/'
    const { requireBearerAuth: require } = await import(`${folder}middleware/bearerAuth.js`)
    const { InvalidTokenError } = await import(`${folder}errors.js`)
    const verifier = tokenVerifier(api, (sentence) => new InvalidTokenError(sentence))
    const gate: RequestHandler = require({ verifier, resourceMetadataUrl: api.metadataUrl })
    const guard = guardFirst(api)
    const app = express()
    app.use(gate, express.json(), async (request, response) => {
      const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
      await guard.createServer().connect(transport as Parameters<ReturnType<typeof guard.createServer>['connect']>[0])
      await transport.handleRequest(request, response, request.body)
    })
    return app
  },
  async second(api) {
    const verifier = tokenVerifier(api, (sentence) => new OAuthError(OAuthErrorCode.InvalidToken, sentence))
    const gate = requireBearerAuth({ verifier, resourceMetadataUrl: api.metadataUrl })
    const handler = createMcpHandler(guardSecond(api).createServer)
    return getRequestListener(async (request) => {
      const authInfo = await gate(request)
      return authInfo instanceof Response ? authInfo : handler.fetch(request, { authInfo })
    })
  },
}

/** Behind the SDK's own check: bad tokens are 401, outages are not, and each tool keeps its policy. */
export async function checkOwnCheck(start: (api: McpApi) => Promise<RequestListener>): Promise<string> {
  await using as = await testAuthorizationServer()
  const api = resourceServer({
    resource: 'https://api.example.com',
    authorizationServers: [as.issuer],
    scopes: { read: 'Read', write: 'Write' },
    fetch: as.fetch,
    now: as.clock.now,
    journal: () => {},
  })
  const { origin, close } = await listen(await start(api))
  const call = async (name: string, token: string) => {
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } }
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    }
    const answer = await fetch(origin, { method: 'POST', headers, body: JSON.stringify(message) })
    const challenge = answer.headers.get('www-authenticate') ?? ''
    return { status: answer.status, challenge, text: await answer.text() }
  }
  try {
    const token = await as.accessToken({ scope: 'read' })
    const restore = as.outage('jwks')
    const outage = await call('read', token)
    check(outage.status === 500 && outage.challenge === '', `an outage: ${outage.status} ${outage.challenge}`)
    restore()
    as.clock.advance('10s')
    const good = await call('read', token)
    check(good.text.includes('reached by'), `a good token: ${good.status} ${good.text}`)
    const bad = await call('read', await as.accessToken.wrongAudience())
    check(bad.status === 401 && bad.challenge.includes('error="invalid_token"'), `a bad token: ${bad.status}`)
    const narrow = await call('write', token)
    check(!narrow.text.includes('reached by'), `a narrow token reached the tool: ${narrow.text}`)
    return `${narrow.status} ${narrow.challenge}`
  } finally {
    await close()
  }
}
