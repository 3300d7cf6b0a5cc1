// A real `arctos serve` as a child process, to be killed.
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'

/** Where a server keeps what survives it. */
export interface Site {
  readonly issuer: string
  readonly port: number
  readonly database: string
  readonly keyFile: string
}

export interface RunningServer {
  /** SIGKILL: nothing of the process runs any more after it. Resolves once it is gone. */
  readonly kill: () => Promise<void>
}

const main = resolve(import.meta.dirname, '../apps/cli/src/main.ts')

/** A site in an empty folder, on a port that is free now. */
export async function prepareSite(directory: string, key: Buffer): Promise<Site> {
  const port = await freePort()
  const keyFile = join(directory, 'key')
  writeFileSync(keyFile, `${key.toString('base64url')}\n`)
  chmodSync(keyFile, 0o600)
  return { issuer: `http://localhost:${port}`, port, database: join(directory, 'arctos.sqlite'), keyFile }
}

/** Starts the server and resolves when it listens. */
export function startServer({ issuer, port, database, keyFile }: Site): Promise<RunningServer> {
  const options = ['--port', String(port), '--issuer', issuer, '--database', database, '--key-file', keyFile]
  const child = spawn(process.execPath, ['--conditions=arctos-source', main, 'serve', ...options], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = new Promise<void>((done) => child.once('close', () => done()))
  return new Promise((started, failed) => {
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes(`port ${port}`)) started({ kill: () => killAndWait(child, exited) })
    })
    child.once('error', failed)
    void exited.then(() => failed(new Error(`the server did not start: ${said}`)))
  })
}

async function killAndWait(child: ChildProcess, exited: Promise<void>): Promise<void> {
  child.kill('SIGKILL')
  await exited
}

function freePort(): Promise<number> {
  return new Promise((found, failed) => {
    const probe = createServer().once('error', failed)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => {
        if (address !== null && typeof address === 'object') found(address.port)
        else failed(new Error('the system gave no port'))
      })
    })
  })
}
