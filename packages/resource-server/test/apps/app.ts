import { request as httpRequest, type OutgoingHttpHeaders, type RequestListener } from 'node:http'
import type { ResourceServer, Route } from '../../src/index.ts'
import { listen } from '../issuer.ts'

export interface Sent {
  readonly path: string
  readonly authorization?: readonly string[]
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | undefined
}

export interface Received {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

/** An application under test, and what it says of its routes where its framework has a list of them. */
export interface App {
  ask(sent: Sent): Promise<Received>
  close(): Promise<void>
  readonly origin?: string
  readonly routes?: readonly Route[]
}

export type Api = ResourceServer<'read' | 'write'>

/** What the handlers of `/read` and `/write` answer: who calls, and the form that came along. */
export interface Answered {
  readonly subject: string
  readonly note?: unknown
}

/** The guarded paths, with the scope that each needs; they take every method. */
export const guardedPaths = { '/read': 'read', '/write': 'write' } as const

/** The field `note` of a form, as text. */
export function noteOf(text: string): { note?: string } {
  const note = new URLSearchParams(text).get('note')
  return note === null ? {} : { note }
}

export async function serve(listener: RequestListener, routes?: readonly Route[]): Promise<App> {
  const { origin, close } = await listen(listener)
  return { ask: (sent) => askOverHttp(origin, sent), close, origin, ...(routes && { routes }) }
}

/** Sends header lines and path as they are given: `fetch` would join two of one name, and tidy the path. */
export function askOverHttp(
  origin: string,
  { path, authorization = [], method = 'GET', headers: given, body }: Sent,
): Promise<Received> {
  return new Promise((resolve, reject) => {
    const headers: OutgoingHttpHeaders = { ...given }
    if (body !== undefined) headers['content-type'] = 'application/x-www-form-urlencoded'
    const request = httpRequest(origin, { path, method, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers as Record<string, string>, body: text })
      })
    })
    if (authorization.length > 0) request.setHeader('authorization', authorization)
    request.on('error', reject)
    request.end(body)
  })
}
