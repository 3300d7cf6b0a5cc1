import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../support/listening.ts'
import { check, defineScenario } from '../support/scenario.ts'
import type { World } from '../support/world.ts'

const repository = resolve(import.meta.dirname, '../..')
const page = join(repository, 'docs/guide/mcp.md')
const patienceMs = 20_000

/** The page of the guide about MCP: its programs are taken from it, compiled and run as they stand there. */
export const scenario = defineScenario({
  program: '@modelcontextprotocol/sdk',
  steps: ['guide: first line', 'guide: second line'],
  async run(world, step) {
    await step('guide: first line', () => tryProgram(world, 'first'))
    await step('guide: second line', () => tryProgram(world, 'second'))
  },
})

async function tryProgram(world: World, name: string): Promise<void> {
  const program = await readProgram(name)
  const protection = /@arctos|resourceServer\(|mcpGuard\(|needs\(|etadata\(|mcp\.(middleware|protect|createServer)/
  const lines = program.split('\n').filter((line) => protection.test(line))
  check(lines.length < 10, `protection takes ${lines.length} lines`)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/mcp`
  await world.registerResource(url, 'read=Read', 'other=Other')
  const folder = await mkdtemp(join(repository, 'interop', '.guide-'))
  const file = join(folder, 'program.ts')
  let child: ChildProcess | undefined
  try {
    await writeFile(file, withAddresses(program, { resource: url, issuer: world.env.ISSUER, port }))
    await compile(folder)
    child = spawn(process.execPath, ['--conditions=arctos-source', file], { stdio: 'ignore' })
    await checkProgram(world, url)
  } finally {
    child?.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  }
}

async function readProgram(name: string): Promise<string> {
  const text = await readFile(page, 'utf8')
  const program = new RegExp(`^\`\`\`ts ${name}\\.ts\n(.*?)^\`\`\`$`, 'ms').exec(text)?.[1]
  check(program, `the guide has no program ${name}`)
  return program
}

function withAddresses(
  program: string,
  { resource, issuer, port }: { resource: string; issuer: string; port: number },
): string {
  return program
    .replaceAll('https://mcp.example.com/mcp', resource)
    .replaceAll('https://as.example.com', issuer)
    .replaceAll('3000', String(port))
}

async function compile(folder: string): Promise<void> {
  // The first line of the SDK does not compile with `exactOptionalPropertyTypes`.
  const options = {
    extends: '../tsconfig.json',
    compilerOptions: { exactOptionalPropertyTypes: false },
    include: ['*.ts'],
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(options))
  const compiler = join(repository, 'node_modules/typescript/bin/tsc')
  await promisify(execFile)(process.execPath, [compiler, '-p', folder, '--pretty', 'false']).catch(
    ({ stdout }: { stdout: string }) => {
      throw new Error(stdout.trim().slice(0, 2_000))
    },
  )
}

async function checkProgram(world: World, url: string): Promise<void> {
  const { origin, pathname } = new URL(url)
  const metadataUrl = `${origin}/.well-known/oauth-protected-resource${pathname}`
  const bare = await untilListening(() => call(url))
  const challenge = bare.headers.get('www-authenticate')
  check(bare.status === 401 && challenge?.includes(metadataUrl), `without a token: ${bare.status} ${challenge}`)
  const metadata = (await (await fetch(metadataUrl)).json()) as { resource?: string }
  check(metadata.resource === url, `the metadata is for ${metadata.resource}`)
  const good = await (await call(url, await tokenFor(world, url, 'read'))).text()
  check(good.includes(world.env.CLIENT_ID), `with a good token: ${good}`)
  const narrow = await call(url, await tokenFor(world, url, 'other'))
  check(narrow.status === 403, `without the scope: ${narrow.status}`)
}

async function untilListening(ask: () => Promise<Response>): Promise<Response> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((later) => setTimeout(later, 50))
    }
  }
}

function call(url: string, token?: string): Promise<Response> {
  const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'whoami', arguments: {} } }
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const credential = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return fetch(url, { method: 'POST', headers: { ...headers, ...credential }, body: JSON.stringify(message) })
}

async function tokenFor({ env }: World, resource: string, scope: string): Promise<string> {
  const authorization = `Basic ${Buffer.from(`${env.CLIENT_ID}:${env.CLIENT_SECRET}`).toString('base64')}`
  const body = new URLSearchParams({ grant_type: 'client_credentials', scope, resource })
  const answer = await fetch(`${env.ISSUER}/token`, { method: 'POST', headers: { authorization }, body })
  const { access_token: token } = (await answer.json()) as { access_token?: string }
  check(token, `the issuer gave no token: ${answer.status}`)
  return token
}
