import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, it, onTestFinished } from 'vitest'
import { temporaryFolder } from './support/shared-stores.ts'
import { type StepUpSite, startStepUpSite } from './support/step-up-site.ts'

const root = new URL('../../..', import.meta.url)

/** The program of the page in a folder of its own, with the stand-ins in it replaced. */
async function writeProgram({ issuer, api }: StepUpSite): Promise<string> {
  const folder = await temporaryFolder()
  await symlink(new URL('node_modules', root), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  const page = await readFile(new URL('docs/guide/step-up.md', root), 'utf8')
  const [, name = '', code = ''] = /^```ts (\S+)\n(.*?)^```$/ms.exec(page) ?? []
  const placed = code.replaceAll('https://as.example.com', issuer).replaceAll('https://api.example.com', api)
  await writeFile(join(folder, name), placed)
  return join(folder, name)
}

describe('docs/guide/step-up.md', () => {
  it('has a program that is refused, asks its user for more and goes on', async () => {
    const site = await startStepUpSite()
    const { NODE_OPTIONS: _, ...env } = process.env
    const program = spawn(process.execPath, ['--conditions=arctos-source', await writeProgram(site)], { env })
    onTestFinished(() => void program.kill())
    const [said, printed]: [string[], string[]] = [[], []]
    createInterface({ input: program.stdout }).on('line', (line) => printed.push(line))
    createInterface({ input: program.stderr }).on('line', (line) => {
      if (line.startsWith(site.issuer)) void site.agreeing.visit(line)
      else said.push(line)
    })
    await once(program, 'close')
    expect(printed).toEqual(["403 [ 'write' ]", '200'])
    expect(said).toContain(
      'The API wants more (insufficient_scope). You will be asked for: read, offline_access, write',
    )
  }, 30_000)
})
