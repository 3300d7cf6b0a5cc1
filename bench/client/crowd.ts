// Many clients whose tokens end in the same second, in one process on core 1; the server has a process and core 0 to itself.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { memoryStore, oauthClient, type Session } from '@arctos/client'
import type { CodeWanted, ServerMessage } from './server.ts'
import { logInBy, programId } from './world.ts'

export interface Crowd {
  /** From the request to the whole answer, of every refresh of one round, in milliseconds, sorted. */
  readonly rounds: readonly (readonly number[])[]
  readonly failed: number
}

const loginsAtOnce = 20

/** @param folder for the database of the server */
export async function crowdAtTheTokenEndpoint(clients: number, rounds: number, folder: string): Promise<Crowd> {
  const child = spawn(
    'taskset',
    [
      '-c',
      '0',
      process.execPath,
      ...process.execArgv,
      join(import.meta.dirname, 'server.ts'),
      join(folder, 'crowd.db'),
    ],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, NODE_ENV: 'production' } },
  )
  try {
    const [message] = (await once(child, 'message')) as [ServerMessage]
    if (!('ready' in message)) throw new Error('the server did not start')
    const { issuer, resource } = message.ready
    const mintCode = minting(child)
    let shiftMs = 0
    let times: number[] = []
    const timed: typeof fetch = async (input, init) => {
      const since = performance.now()
      const answer = await fetch(input, init)
      const body = await answer.arrayBuffer()
      if (init?.method === 'POST') times.push(performance.now() - since)
      return new Response(body, answer)
    }
    const logIn = (): Promise<Session> => {
      const client = oauthClient({ issuer, clientId: programId, now: () => Date.now() + shiftMs, fetch: timed })
      return logInBy(client, { store: memoryStore(), resource, mintCode })
    }
    const sessions: Session[] = []
    while (sessions.length < clients) {
      sessions.push(...(await Promise.all(Array.from({ length: loginsAtOnce }, logIn))))
    }
    const measured: number[][] = []
    let failed = 0
    for (let round = 0; round < rounds; round++) {
      shiftMs += 700_000
      times = []
      const settled = await Promise.allSettled(sessions.map((session) => session.accessToken({ resource })))
      failed += settled.filter(({ status }) => status === 'rejected').length
      measured.push(times.sort((a, b) => a - b))
    }
    return { rounds: measured, failed }
  } finally {
    const exited = once(child, 'exit')
    child.disconnect()
    await exited
  }
}

function minting(child: ChildProcess): (request: URLSearchParams) => Promise<string> {
  const waiting = new Map<number, (code: string) => void>()
  let count = 0
  child.on('message', (message: ServerMessage) => {
    if (!('id' in message)) return
    waiting.get(message.id)?.(message.code)
    waiting.delete(message.id)
  })
  return (request) => {
    const id = count++
    child.send({ id, request: request.toString() } satisfies CodeWanted)
    return new Promise((resolve) => waiting.set(id, resolve))
  }
}
