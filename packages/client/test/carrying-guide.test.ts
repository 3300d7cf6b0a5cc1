import { execFile } from 'node:child_process'
import { readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type Arctos, startArctos } from './support/arctos.ts'
import { temporaryFolder } from './support/shared-stores.ts'

const root = new URL('../../..', import.meta.url)
const programs = ['axios.ts', 'undici-fetch.ts', 'undici-request.ts', 'node-http.ts']

/** The programs of the page in a folder, with the stand-ins in them replaced. */
async function writePrograms({ issuer, jwtApi }: Pick<Arctos, 'issuer' | 'jwtApi'>): Promise<string> {
  const folder = await temporaryFolder()
  await symlink(new URL('node_modules', root), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  const page = await readFile(new URL('docs/guide/carrying.md', root), 'utf8')
  for (const [, name = '', code = ''] of page.matchAll(/^```ts (\S+)\n(.*?)^```$/gms)) {
    const placed = code.replaceAll('https://as.example.com', issuer).replaceAll('https://api.example.com', jwtApi)
    await writeFile(join(folder, name), placed)
  }
  return folder
}

describe('docs/guide/carrying.md', () => {
  it.each(programs)('has a program that calls an API: %s', async (file) => {
    const arctos = await startArctos()
    const cwd = await writePrograms(arctos)
    const { NODE_OPTIONS: _, ...rest } = process.env
    const env = { ...rest, CLIENT_SECRET: arctos.secret }
    const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=arctos-source', file], { cwd, env })
    expect(stdout).toBe('200\n')
  })

  it('has programs that compile', async () => {
    const folder = await writePrograms({ issuer: 'https://as.example.com', jwtApi: 'https://api.example.com' })
    const compilerOptions = { composite: false, noEmit: true, types: ['node'] }
    const project = { extends: fileURLToPath(new URL('tsconfig.base.json', root)), compilerOptions, files: programs }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(project))
    const compiler = fileURLToPath(new URL('node_modules/typescript/bin/tsc', root))
    const compiled = await promisify(execFile)(process.execPath, [compiler, '-p', folder]).catch(
      (failure: { readonly stdout: string }) => failure,
    )
    expect(compiled.stdout).toBe('')
  })
})
