import type { IncomingMessage } from 'node:http'
import type { IntrospectionOptions } from '../src/index.ts'
import { type Guard, guardOf } from './guard.ts'
import { type Issuer, sendJson, startIssuer } from './issuer.ts'

/** One question that the issuer was asked. */
export interface Question {
  readonly method: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly form: URLSearchParams
}

/** An issuer that is asked about tokens, and guards whose time stands still until it is moved. */
export interface IntrospectionSite {
  readonly issuer: Issuer
  readonly asked: Question[]
  /** What the issuer says of a token, as JSON. */
  tell: (token: string) => unknown
  /** The answer that says so; signed ones put another in its place. */
  send: (response: Parameters<typeof sendJson>[0], told: unknown, question: Question) => void
  guard(options?: Partial<IntrospectionOptions>): Guard
  pass(seconds: number): void
  seconds(): number
  end(): Promise<void>
}

export async function startIntrospection(): Promise<IntrospectionSite> {
  const issuer = await startIssuer()
  let nowMs = Date.now()
  const now = () => nowMs
  const site: IntrospectionSite = {
    issuer,
    asked: [],
    tell: () => ({ active: true, ...issuer.claims() }),
    send: (response, told) => sendJson(response, told),
    guard(options = {}) {
      const credential = options.clientKey === undefined ? { clientSecret: 'secret' } : {}
      return guardOf(issuer, { introspection: { clientId: 'notes-api', ...credential, ...options }, now })
    },
    pass(seconds) {
      nowMs += seconds * 1_000
    },
    seconds: () => Math.floor(now() / 1_000),
    end: issuer.close,
  }
  issuer.answers.set('/introspect', async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const question = { method: request.method, headers: request.headers, form: new URLSearchParams(body) }
    site.asked.push(question)
    site.send(response, site.tell(question.form.get('token') ?? ''), question)
  })
  return site
}
