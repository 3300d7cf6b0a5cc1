// What a client of the crash run says to the server, and what it hears, if anything.
import { Agent, request } from 'node:http'

export interface Heard {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

/** Asks the server; `undefined` when no whole answer came: whether it was done is then unknown. */
export type Ask = (
  path: string,
  client: CrashClient,
  form: Readonly<Record<string, string>>,
) => Promise<Heard | undefined>

/** A registered client: without a secret it is a public one. */
export interface CrashClient {
  readonly id: string
  readonly secret?: string
}

const answerLimitMs = 20_000

export function createAsk(port: number): { readonly ask: Ask; readonly hangUp: () => void } {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const ask: Ask = (path, client, form) =>
    new Promise((resolve) => {
      const isPublic = client.secret === undefined
      const body = new URLSearchParams(isPublic ? { ...form, client_id: client.id } : form).toString()
      const headers = {
        'content-type': 'application/x-www-form-urlencoded',
        'content-length': Buffer.byteLength(body),
        ...(isPublic
          ? {}
          : { authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}` }),
      }
      const sent = request({ host: '127.0.0.1', port, path, method: 'POST', headers, agent, timeout: answerLimitMs })
      const lost = (): void => resolve(undefined)
      sent.on('error', lost)
      sent.on('timeout', () => sent.destroy())
      sent.on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => void chunks.push(chunk))
        response.on('error', lost)
        response.on('close', () => {
          if (!response.complete) return lost()
          const text = Buffer.concat(chunks).toString()
          resolve({ status: response.statusCode ?? 0, body: text === '' ? {} : JSON.parse(text) })
        })
      })
      sent.end(body)
    })
  return { ask, hangUp: () => agent.destroy() }
}
