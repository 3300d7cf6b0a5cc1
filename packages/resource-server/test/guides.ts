import { execFile } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '../../..')
const guides = join(root, 'docs/guide')
const listens = 'tracing:net.server.listen:asyncStart'

/** The programs of some pages of the guide, checked and compiled, with the stand-ins in them replaced. */
export interface Programs {
  /** What the compiler has to say about them; nothing where they are right. */
  readonly mistakes: string
  /** Runs one program. A server that it starts can be reached and is closed in the end. */
  run(page: string, file: string): Promise<Running>
  remove(): Promise<void>
}

export interface Running {
  readonly exports: Readonly<Record<string, unknown>>
  /** Where it listens; `undefined` where it only exports handlers. */
  readonly origin: string | undefined
  close(): Promise<void>
}

/**
 * Takes every fenced block that names a file (```` ```ts server.ts ````) out of the pages and compiles them all at once.
 * `https://as.example.com` becomes the given issuer, and port 3000 a free one; nothing else is changed.
 */
export async function compilePages(pages: readonly string[], issuer: string): Promise<Programs> {
  const cache = join(import.meta.dirname, '../node_modules/.cache')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'guides-'))
  const files: string[] = []
  for (const page of pages) {
    for (const { file, program } of programsIn(await readFile(join(guides, `${page}.md`), 'utf8'))) {
      const path = join(folder, page, file)
      files.push(path)
      await mkdir(dirname(path), { recursive: true })
      const placed = program.replaceAll('https://as.example.com', issuer).replace(/(listen\(|port: )3000/, '$10')
      await writeFile(path, placed)
    }
  }
  const compilerOptions = {
    composite: false,
    declaration: false,
    erasableSyntaxOnly: false,
    experimentalDecorators: true,
    outDir: 'out',
    rootDir: root,
  }
  const project = { extends: join(root, 'tsconfig.base.json'), compilerOptions, files }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(project))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const compiled = await promisify(execFile)(process.execPath, [compiler, '-p', folder], { cwd: folder }).catch(
    (failure: { readonly stdout: string }) => failure,
  )
  const out = join(folder, 'out', relative(root, folder))
  return {
    mistakes: compiled.stdout,
    run: (page, file) => run(join(out, page, file.replace(/\.ts$/, '.js'))),
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

function programsIn(page: string): { readonly file: string; readonly program: string }[] {
  const blocks = [...page.matchAll(/^```ts (\S+)\n(.*?)^```$/gms)]
  return blocks.map(([, file = '', program = '']) => ({ file, program }))
}

/** Node tells of each server that begins to listen: no program has to hand its own out. */
async function run(path: string): Promise<Running> {
  const servers: Server[] = []
  const seen = (message: unknown): void => void servers.push((message as { readonly server: Server }).server)
  subscribe(listens, seen)
  const exports = await import(/* @vite-ignore */ pathToFileURL(path).href)
  unsubscribe(listens, seen)
  const [server] = servers
  // Most programs do not wait for their server.
  if (server?.listening === false) await once(server, 'listening')
  const address = server?.address() as AddressInfo | undefined
  return {
    exports,
    origin: address && `http://127.0.0.1:${address.port}`,
    async close() {
      server?.closeAllConnections()
      await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())))
    },
  }
}
