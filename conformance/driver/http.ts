import { type ClientRequest, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'

/** Parameters of a form or query. An array of pairs may repeat a name; `undefined` leaves one out. */
export type Form = Readonly<Record<string, string | undefined>> | readonly (readonly [name: string, value: string])[]

/** One HTTP answer, read to its end. */
export interface Answer {
  readonly url: string
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

export interface Sent {
  readonly method?: string
  /** A list sends one line for each value. */
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly body?: string
}

const timeoutMs = 20_000

/** Sends one request, just as it is given, and follows nothing. */
export function send(url: string, { method = 'GET', headers = {}, body }: Sent = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const open = url.startsWith('https:') ? tlsRequest : plainRequest
    const request: ClientRequest = open(url, { method, timeout: timeoutMs }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () => {
        const pairs = Object.entries(response.headersDistinct)
        const answered = new Headers(
          pairs.flatMap(([name, values = []]) => values.map((value) => [name, value] as [string, string])),
        )
        resolve({ url, status: response.statusCode ?? 0, headers: answered, text })
      })
    })
    for (const [name, value] of Object.entries(headers)) request.setHeader(name, value)
    request.on('timeout', () => request.destroy(new Error(`${method} ${url}: no answer in ${timeoutMs} ms`)))
    request.on('error', reject)
    request.end(body)
  })
}

export function postForm(url: string, form: Form, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const type = { 'content-type': 'application/x-www-form-urlencoded' }
  return send(url, { method: 'POST', headers: { ...type, ...headers }, body: encodeForm(form) })
}

export function encodeForm(form: Form): string {
  return new URLSearchParams(pairsOf(form)).toString()
}

export function pairsOf(form: Form): [string, string][] {
  const pairs = Array.isArray(form) ? form : Object.entries(form)
  return pairs.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
}

export type JsonObject = Readonly<Record<string, unknown>>

/** The JSON object of an answer; throws what came instead. */
export function jsonOf({ url, status, headers, text }: Answer): JsonObject {
  const type = headers.get('content-type') ?? 'no content type'
  if (/^application\/(.+\+)?json\b/.test(type)) {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  }
  throw new Error(`${url} answered ${status}, ${type}, instead of a JSON object: ${text.slice(0, 200)}`)
}
