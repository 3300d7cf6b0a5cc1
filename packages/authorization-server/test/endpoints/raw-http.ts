import { request as makeRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { type Listening, type ListenOptions, listen } from '@arctos/authorization-server'
import type { Installation, Reply } from './installation.ts'

/** An installation on a real socket. */
export interface Served {
  readonly port: number
  readonly listening: Listening
  /** The same as {@link Installation.send}, by HTTP/1.1 on a connection of its own. */
  readonly send: Installation['send']
}

export async function serve(site: Installation, options: Partial<ListenOptions> = {}): Promise<Served> {
  const listening = await listen(site.server, { port: 0, hosts: ['127.0.0.1'], ...options })
  return { port: listening.port, listening, send: (path, init) => sendBySocket(site, listening.port, path, init) }
}

function sendBySocket(site: Installation, port: number, path: string, init: RequestInit = {}): Promise<Reply> {
  const { method = 'GET', headers, body } = init
  return new Promise((resolve, reject) => {
    const request = makeRequest({ host: '127.0.0.1', port, path, method, headers: headers as Record<string, string> })
    let answered = false
    request.on('response', (response) => {
      answered = true
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => void chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const received = new Headers()
        for (const [name, value] of Object.entries(response.headersDistinct))
          received.set(name, value?.join(', ') ?? '')
        const receipt = received.get('arctos-receipt')
        resolve({
          status: response.statusCode ?? 0,
          headers: received,
          text,
          body: text !== '' && /json/.test(received.get('content-type') ?? '') ? JSON.parse(text) : {},
          reason: receipt === null ? undefined : site.server.context.receipts.open(receipt)?.reason,
        })
      })
    })
    // The server may end the connection of somebody who sends on after the answer.
    request.on('error', (error) => {
      if (!answered) reject(error)
    })
    request.end(body)
  })
}

/** A connection that sends just these bytes. */
export interface RawConnection {
  readonly socket: Socket
  /** Everything received so far. */
  readonly received: () => string
  /** Resolves with everything received once the other end is done. */
  readonly closed: Promise<string>
  /** Resolves when what was received matches. */
  readonly until: (pattern: RegExp) => Promise<string>
}

export async function openRaw(port: number, bytes = ''): Promise<RawConnection> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: false })
  let received = ''
  const watchers = new Set<() => void>()
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1')
    for (const watch of watchers) watch()
  })
  // Being cut off is one way to be closed.
  socket.on('error', () => undefined)
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(received)))
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve())
    socket.once('close', () => reject(new Error('not connected')))
  })
  if (bytes !== '') socket.write(bytes, 'latin1')
  return {
    socket,
    received: () => received,
    closed,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const watch = (): void => {
          if (!pattern.test(received)) return
          watchers.delete(watch)
          resolve(received)
        }
        watchers.add(watch)
        watch()
        void closed.then((all) => reject(new Error(`closed before ${pattern}: ${all}`)))
      }),
  }
}

/** Statuses of all answers in what a connection received. */
export function statusesOf(received: string): readonly number[] {
  return [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
}
