import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Connection, openConnection } from '../token/connection.ts'
import { get, obtain, pause, until } from './calls.ts'
import { setting } from './setting.ts'

const { leaky } = setting
const reporterKey = 'bench-key'
const connections = 8
/** Of the tokens, so many are shown to every guard after the leak was reported. */
const sampled = 200

/** A reporter of leaks, with its published key. */
export interface Reporter {
  readonly keysUrl: string
  readonly sign: (body: string) => string
  readonly close: () => void
}

export async function startReporter(): Promise<Reporter> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = publicKey.export({ format: 'pem', type: 'spki' })
  const keys = JSON.stringify({ public_keys: [{ key_identifier: reporterKey, key: pem, is_current: true }] })
  const http = createServer((_request, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(keys),
  )
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    keysUrl: `http://127.0.0.1:${(http.address() as AddressInfo).port}/keys`,
    sign: (body) => sign('sha256', Buffer.from(body), privateKey).toString('base64'),
    close: () => http.close(),
  }
}

export interface Mass {
  readonly tokens: number
  /** From the acknowledged report to the last acceptance of any sampled token at any guard, in seconds. */
  readonly seconds: number
  /** How long the report itself took, in milliseconds. */
  readonly reportMs: number
}

/** The secret of one client leaks, with so many live tokens. One report ends them all. */
export async function reportLeakOf(
  tokens: number,
  reporter: Reporter,
  issuerPort: number,
  guardPorts: readonly number[],
): Promise<Mass> {
  const sample = await obtainMany(issuerPort, tokens)
  for (const port of guardPorts) await until(port, '/', sample[0] as string, 200, 10_000)
  // Some of them are in the guards' caches, some have never been shown.
  const guards = await Promise.all(guardPorts.map(openConnection))
  for (const guard of guards) {
    for (const token of sample.slice(0, sampled / 2)) {
      const { status } = await guard.send(get('/', token))
      if (status !== 200) throw new Error(`a live token was answered with ${status}`)
    }
  }
  const body = JSON.stringify([
    { token: leaky.secret, type: 'arctos_client_secret', url: 'https://x.example', source: 'bench' },
  ])
  const issuer = await openConnection(issuerPort)
  const reportedAt = performance.now()
  const { status, body: answer } = await issuer.send(reportOf(body, reporter))
  if (status !== 200) throw new Error(`the report was answered with ${status} ${answer}`)
  const acknowledged = performance.now()
  const lasts = await Promise.all(guards.map((guard) => lastAcceptance(guard, sample, acknowledged)))
  issuer.close()
  for (const guard of guards) guard.close()
  return { tokens, seconds: Math.max(...lasts) / 1_000, reportMs: acknowledged - reportedAt }
}

/** Issues tokens, and keeps a sample of them, spread over all. */
async function obtainMany(port: number, count: number): Promise<readonly string[]> {
  const sample: string[] = []
  const every = Math.floor(count / sampled)
  let next = 0
  const work = async (): Promise<void> => {
    const connection = await openConnection(port)
    while (next < count) {
      const turn = next++
      const token = await obtain(connection, leaky)
      if (turn % every === 0) sample.push(token)
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: connections }, work))
  return sample
}

/** Shows all tokens in turn until a whole round is refused. Milliseconds after the acknowledgement; 0 where none was accepted. */
async function lastAcceptance(guard: Connection, tokens: readonly string[], acknowledged: number): Promise<number> {
  let last = 0
  for (let refusedRunning = 0, turn = 0; refusedRunning < tokens.length; turn++) {
    const { status } = await guard.send(get('/', tokens[turn % tokens.length] as string))
    if (status === 401) refusedRunning += 1
    else {
      last = performance.now() - acknowledged
      refusedRunning = 0
      if (last > 20_000) return last
      await pause(1)
    }
  }
  return last
}

function reportOf(body: string, reporter: Reporter): string {
  const headers = [
    'POST /leaks HTTP/1.1',
    'host: localhost',
    'content-type: application/json',
    `github-public-key-identifier: ${reporterKey}`,
    `github-public-key-signature: ${reporter.sign(body)}`,
    `content-length: ${body.length}`,
  ]
  return `${headers.join('\r\n')}\r\n\r\n${body}`
}
