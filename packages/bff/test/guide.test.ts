import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { freePort } from './support/free-port.ts'
import { createTime, registerApp, secret, startApi, startIssuer } from './support/servers.ts'
import { ownCall } from './support/site.ts'
import { createVisitor } from './support/visitor.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
let folder: string
let page: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'arctos-guide-'))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  page = await readFile(join(root, 'docs/guide/browser-app.md'), 'utf8')
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Writes the programs of the page, with its stand-ins replaced. */
async function writePrograms(replaced: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const files = [...page.matchAll(/^```(?:ts|html) (\S+)\n(.*?)^```$/gms)]
  for (const [, name = '', text = ''] of files) {
    const program = Object.entries(replaced).reduce((left, [from, to]) => left.replaceAll(from, to), text)
    await writeFile(join(folder, name), program)
  }
  return files.map(([, name = '']) => name)
}

describe('docs/guide/browser-app.md', () => {
  it('has programs that the compiler takes as they stand there', async () => {
    const files = (await writePrograms()).filter((name) => name.endsWith('.ts'))
    const sources = { noUnusedLocals: false, allowImportingTsExtensions: true, rewriteRelativeImportExtensions: false }
    const compilerOptions = {
      composite: false,
      declaration: false,
      noEmit: true,
      ...sources,
    }
    const project = { extends: join(root, 'tsconfig.base.json'), compilerOptions, files }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(project))
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    const { stdout } = await promisify(execFile)(process.execPath, [compiler, '-p', folder]).catch(
      (failure: { readonly stdout: string }) => failure,
    )
    expect([files, stdout]).toEqual([['server.ts', 'hono.ts', 'route.ts'], ''])
  })

  it('shows a program that logs users in and calls an API for its page', async () => {
    const time = createTime()
    const issuer = await startIssuer(time)
    const notes = await startApi(issuer, time, 'jwt', (_request, response) => response.end('a note'))
    const port = await freePort()
    const origin = `http://127.0.0.1:${port}`
    await registerApp(issuer, origin)
    await writePrograms({
      'https://as.example.com': issuer.issuer,
      'https://app.example.com': origin,
      'https://api.example.com': notes.origin,
      'listen(3000)': `listen(${port}, '127.0.0.1')`,
    })
    await start(origin)

    const visitor = createVisitor()
    expect(await (await visitor.go(origin)).text()).toContain('<title>Notes</title>')
    expect((await visitor.go(`${origin}/api/notes/mine`, { headers: ownCall })).status).toBe(401)
    const end = await visitor.follow(`${origin}/bff/login?return_to=/`)
    expect(end.text).toContain(`url=${origin}/"`)
    const answer = await visitor.go(`${origin}/api/notes/mine`, { headers: ownCall })
    expect([answer.status, await answer.text()]).toEqual([200, 'a note'])
  })
})

async function start(origin: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--conditions=arctos-source', 'server.ts'], {
    cwd: dirname(join(folder, 'server.ts')),
    env: { ...process.env, CLIENT_SECRET: secret },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await expect
    .poll(
      () =>
        fetch(origin).then(
          ({ status }) => status,
          () => 0,
        ),
      { timeout: 10_000 },
    )
    .toBe(200)
  return child
}
