import type { RequestListener } from 'node:http'
import { type ResourceServer, type ResourceServerOptions, resourceServer } from '@arctos/resource-server'
import { protect, protectedResourceMetadata } from '@arctos/resource-server/node'
import type { Samples } from './samples.ts'

/** What the sample APIs share: how refusals become receipts and lines on the terminal. */
export type Reporting = Pick<ResourceServerOptions<Record<string, string>>, 'receipts' | 'onRefusal'>

export interface NotesApi {
  readonly listener: RequestListener
  readonly close: () => Promise<void>
}

/**
 * A small service for notes, guarded as a user would guard one. `/notes` takes JWTs, checks them by itself and is told
 * what is taken back; `/archive` takes opaque tokens and asks the issuer about each.
 */
export function createNotesApi(issuer: string, samples: Samples, reporting: Reporting): NotesApi {
  const notesApi = resourceServer({
    resource: samples.audience,
    authorizationServers: [issuer],
    scopes: { read: 'Read your notes', write: 'Write notes in your name' },
    revocations: { clientId: samples.resourceServer.id, clientSecret: samples.resourceServer.secret },
    ...reporting,
  })
  const archiveApi = resourceServer({
    resource: samples.audience2,
    authorizationServers: [issuer],
    scopes: { archive: 'Read archived notes' },
    introspection: { clientId: samples.resourceServer2.id, clientSecret: samples.resourceServer2.secret },
    ...reporting,
  })
  const notes = ['Bears sleep in winter.']

  const routes: Readonly<Record<string, ReturnType<typeof protect>>> = {
    'GET /notes': protect(notesApi, { scope: 'read' }, (request, response) => {
      response.end(JSON.stringify({ notes, reader: request.access.subject }))
    }),
    'POST /notes': protect(notesApi, { scope: 'write' }, (request, response) => {
      notes.push(`A note of ${request.access.subject}`)
      response.end(JSON.stringify({ added: notes.length }))
    }),
    'GET /archive': protect(archiveApi, { scope: 'archive' }, (_request, response) => {
      response.end(JSON.stringify({ notes: ['Arctos is Greek for bear.'] }))
    }),
  }
  return {
    listener: route(routes, [notesApi, archiveApi]),
    async close() {
      await Promise.all([notesApi.close(), archiveApi.close()])
    },
  }
}

function route(
  routes: Readonly<Record<string, ReturnType<typeof protect>>>,
  apis: readonly ResourceServer[],
): RequestListener {
  const describe = apis.map((api) => protectedResourceMetadata(api))
  return (request, response) => {
    if (describe.some((answer) => answer(request, response))) return
    const handler = routes[`${request.method} ${request.url?.split('?', 1)[0]}`]
    response.setHeader('content-type', 'application/json')
    if (handler !== undefined) void handler(request, response)
    else response.writeHead(404).end('{"error":"not_found"}')
  }
}
