import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { protect, protectedResourceMetadata } from '../../src/adapters/node.ts'
import { accessOf } from '../../src/index.ts'
import { type Api, type App, noteOf, serve } from './app.ts'

export function nodeApp(api: Api): Promise<App> {
  const metadata = protectedResourceMetadata(api)
  const handler = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const answered = { subject: accessOf(request).subject, ...noteOf(await text(request)) }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(answered))
  }
  const read = protect(api, { scope: 'read' }, handler)
  const write = protect(api, { scope: 'write' }, handler)
  return serve((request, response) => {
    if (metadata(request, response)) return
    const path = request.url?.split('?')[0]
    if (path === '/read') return void read(request, response)
    if (path === '/write') return void write(request, response)
    response.writeHead(404).end()
  })
}
