import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Arctos, startArctos } from './support/arctos.ts'
import { startScene } from './support/reporter.ts'
import { temporaryFolder } from './support/shared-stores.ts'

const root = new URL('../../..', import.meta.url)

/** The programs of the page in a folder, with the stand-ins in them replaced. */
async function programs(arctos?: Arctos): Promise<string> {
  const folder = await temporaryFolder()
  await symlink(new URL('node_modules', root), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  const page = await readFile(new URL('docs/guide/sessions.md', root), 'utf8')
  for (const [, name = '', code = ''] of page.matchAll(/^```ts (\S+)\n(.*?)^```$/gms)) {
    const placed = code.replaceAll('https://as.example.com', arctos?.issuer ?? '')
    await writeFile(join(folder, name), placed.replaceAll('https://api.example.com', arctos?.jwtApi ?? ''))
  }
  return folder
}

/** Runs a program as its user would, who opens every page that it asks for. Gives what it printed. */
async function run(folder: string, file: string, arctos: Arctos, env: NodeJS.ProcessEnv) {
  const { NODE_OPTIONS: _, ...rest } = process.env
  const child = spawn(process.execPath, ['--conditions=arctos-source', file], {
    cwd: folder,
    env: { ...rest, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill())
  const [said, printed]: [string[], string[]] = [[], []]
  let logins = 0
  createInterface({ input: child.stdout }).on('line', (line) => printed.push(line))
  createInterface({ input: child.stderr }).on('line', (line) => {
    said.push(line)
    if (!line.startsWith(arctos.issuer)) return
    logins++
    void arctos.agreeing.visit(line)
  })
  await once(child, 'close')
  return { said: said.join('\n'), printed, logins }
}

describe('docs/guide/sessions.md', () => {
  it('has a program that logs in once, and says where its session is', async () => {
    const arctos = await startArctos()
    const folder = await programs(arctos)
    const home = join(folder, 'home')
    const env = { HOME: home, XDG_STATE_HOME: join(home, 'state'), XDG_CONFIG_HOME: join(home, 'config') }
    const first = await run(folder, 'program.ts', arctos, env)
    expect(first).toMatchObject({ printed: ['200'], logins: 1 })
    expect(first.said).toContain(`sealed file in ${join(home, 'state/notes-program/session')}`)
    expect(await run(folder, 'program.ts', arctos, env)).toMatchObject({ printed: ['200'], logins: 0 })
    expect(await readdir(join(home, 'config/notes-program/key'))).toHaveLength(1)
  })

  it('has a program whose session is in PostgreSQL, sealed', async () => {
    const arctos = await startArctos()
    const folder = await programs(arctos)
    const database = await newDatabase()
    const env = { DATABASE_URL: database, SESSION_KEY: randomBytes(32).toString('base64url') }
    expect(await run(folder, 'worker.ts', arctos, env)).toMatchObject({ printed: ['200'], logins: 1 })
    expect(await run(folder, 'worker.ts', arctos, env)).toMatchObject({ printed: ['200'], logins: 0 })
    const client = new pg.Client({ connectionString: database })
    await client.connect()
    const { rows } = await client.query('SELECT name, content FROM arctos_session')
    await client.end()
    expect(rows).toEqual([{ name: 'ada', content: expect.stringMatching(/^arctos-sealed-1\.[\w-]+$/) }])
  })

  it("has a store over a phone's secure storage", async () => {
    const folder = await programs()
    const { phoneStore } = await import(/* @vite-ignore */ pathToFileURL(join(folder, 'phone-store.ts')).href)
    const entries = new Map<string, string>()
    const storage = {
      getItemAsync: async (key: string) => entries.get(key) ?? null,
      setItemAsync: async (key: string, value: string) => void entries.set(key, value),
    }
    const { program, resource, openBrowser, world } = await startScene()
    expect(await program.resume({ store: phoneStore(storage, 'session') })).toBeUndefined()
    const store = phoneStore(storage, 'session')
    await program.login({ resource, scope: 'read offline_access', openBrowser, store })
    world.advance(601)
    const later = await program.resume({ store: phoneStore(storage, 'session') })
    expect((await later?.fetch({ resource })('/notes'))?.status).toBe(200)
    expect([...entries.keys()]).toEqual(['session'])
  })

  it('imports what there is', async () => {
    const page = await readFile(new URL('docs/guide/sessions.md', root), 'utf8')
    const { exports } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
    const drivers = Object.keys(exports).filter((path) => path.startsWith('./stores/'))
    const named = [...page.matchAll(/^\| `\w+\(.*?\)` \| `@arctos\/client(\/stores\/\w+)`/gm)].map(
      ([, path]) => `.${path}`,
    )
    expect(named.sort()).toEqual(drivers.sort())
  })
})

/** A database that is gone after the test. */
async function newDatabase(): Promise<string> {
  const server = process.env['ARCTOS_TEST_POSTGRES'] ?? ''
  const name = `client_${randomBytes(8).toString('hex')}`
  const administer = async (statement: string): Promise<void> => {
    const client = new pg.Client({ connectionString: server })
    await client.connect()
    await client.query(statement)
    await client.end()
  }
  await administer(`CREATE DATABASE ${name}`)
  onTestFinished(() => administer(`DROP DATABASE ${name} WITH (FORCE)`))
  return new URL(`/${name}`, server).href
}
