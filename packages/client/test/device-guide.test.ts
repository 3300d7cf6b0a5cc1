import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startArctos } from './support/arctos.ts'

const root = new URL('../../..', import.meta.url)

/** The program of the page, in a folder of its own, as a reader would have it. */
async function writeProgram(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'arctos-device-guide-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await symlink(new URL('node_modules', root), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  const guide = await readFile(new URL('docs/guide/device.md', root), 'utf8')
  const [, name = '', code = ''] = /```ts\n\/\/ file: (\S+)\n(.*?)```/s.exec(guide) ?? []
  await writeFile(join(folder, name), code)
  return join(folder, name)
}

describe('docs/guide/device.md', () => {
  it('has a program that shows its code, waits for the user and calls the API', async () => {
    const arctos = await startArctos()
    const { NODE_OPTIONS: _, ...environment } = process.env
    const env = { ...environment, ISSUER: arctos.issuer, RESOURCE: arctos.jwtApi }
    const program = spawn(process.execPath, ['--conditions=arctos-source', await writeProgram()], { env })
    onTestFinished(() => void program.kill())
    let said = ''
    let visited: Promise<string> | undefined
    program.stderr.on('data', (chunk: Buffer) => {
      said += chunk
    })
    program.stdout.on('data', (chunk: Buffer) => {
      said += chunk
      const [, page] = /or scan (\S+), before \S+Z/.exec(said) ?? []
      if (page !== undefined) visited ??= arctos.agreeing.visit(page)
    })
    await new Promise((resolve) => program.once('exit', resolve))
    await visited
    expect(said).toMatch(/^Open http:\S+\/device and enter [A-Z]{5}-[A-Z]{5}\n/)
    expect(said).toMatch(/The API answered 200\n$/)
  }, 30_000)
})
