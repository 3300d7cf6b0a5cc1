import { request as httpRequest, type RequestListener } from 'node:http'
import { resourceServer } from '@arctos/resource-server'
import { conformance, type ReceivedAnswer, type SentRequest, testAuthorizationServer } from '@arctos/testing'
import { listen } from './listening.ts'
import type { McpApi } from './mcp-lines.ts'
import { check } from './scenario.ts'

const resource = 'https://api.example.com'
const modern = '2026-07-28'

/** Asks an MCP server behind our guard every request that a guard must answer right, each as a call of a tool. */
export async function checkVectors(start: (api: McpApi) => RequestListener, isModern: boolean): Promise<void> {
  await using as = await testAuthorizationServer({ resources: [{ identifier: resource, scopes: ['read', 'write'] }] })
  const guards: McpApi[] = []
  const open = async () => {
    const { issuer, fetch, clock } = as
    const scopes = { read: 'Read', write: 'Write' }
    const api = resourceServer({
      resource,
      scopes,
      authorizationServers: [issuer],
      fetch,
      now: clock.now,
      journal: () => {},
    })
    guards.push(api)
    const { origin, close } = await listen(start(api))
    return { target: { ask: (sent: SentRequest) => callTool(origin, sent, isModern) }, close }
  }
  const { target, close } = await open()
  try {
    const { failed, passed, table } = await conformance(target, {
      as,
      resource,
      routes: { read: 'POST /read', write: 'POST /write' },
      cold: open,
      beyond: true,
      reasonOf: (headers) =>
        guards.map((guard) => guard.findRefusal(headers['arctos-receipt'] ?? '')?.reason).find(Boolean),
    })
    check(failed === 0 && passed > 31, table)
  } finally {
    await close()
  }
}

/** The request of a vector, as a call of the tool that its path names. Header lines go out as they are given. */
function callTool(origin: string, sent: SentRequest, isModern: boolean): Promise<ReceivedAnswer> {
  const name = sent.path.includes('write') ? 'write' : 'read'
  const meta = {
    'io.modelcontextprotocol/protocolVersion': modern,
    'io.modelcontextprotocol/clientInfo': { name: 'interop', version: '1.0.0' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const params = { name, arguments: {}, ...(isModern ? { _meta: meta } : {}) }
  const call = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })
  const body = sent.body ?? (sent.method === 'POST' ? call : undefined)
  const headers = {
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(isModern ? { 'mcp-protocol-version': modern, 'mcp-method': 'tools/call', 'mcp-name': name } : {}),
    ...sent.headers,
    accept: 'application/json, text/event-stream',
  }
  return new Promise((resolve, reject) => {
    const request = httpRequest(origin + sent.path, { method: sent.method, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => {
        const lines = Object.entries(response.headersDistinct).map(([header, values]) => [header, values?.join(', ')])
        const { statusCode = 0 } = response
        // Errors of MCP come with 200 too: what counts is that the tool was reached.
        const status = statusCode === 200 && !text.includes('reached by') ? 599 : statusCode
        resolve({ status, headers: Object.fromEntries(lines), body: text })
      })
    })
    request.on('upgrade', (response, socket) => {
      socket.destroy()
      resolve({ status: response.statusCode ?? 101, headers: {}, body: '' })
    })
    const { authorization = [] } = sent
    if (authorization.length > 0) request.setHeader('authorization', authorization)
    request.on('error', reject)
    request.end(body)
  })
}
