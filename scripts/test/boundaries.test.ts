import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { findViolations } from '../boundaries.ts'

const roots: string[] = []
afterAll(() => Promise.all(roots.map((root) => rm(root, { recursive: true }))))

/** A small repository in which every package declares every dependency, so that only the rule itself can object. */
async function plant(files: Record<string, string>): Promise<string[]> {
  const root = await mkdtemp(join(tmpdir(), 'arctos-boundaries-'))
  roots.push(root)
  const names = ['core', 'authorization-server', 'resource-server', 'client', 'bff', 'testing']
  const dependencies = Object.fromEntries(
    [...names.map((name) => `@arctos/${name}`), 'pg', 'arctos'].map((name) => [name, '0']),
  )
  const manifests: Record<string, string> = Object.fromEntries([
    ...names.map((name) => [
      `packages/${name}/package.json`,
      JSON.stringify({ name: `@arctos/${name}`, dependencies }),
    ]),
    ['apps/cli/package.json', JSON.stringify({ name: 'arctos', dependencies })],
    ['apps/console/package.json', JSON.stringify({ name: '@arctos/console', dependencies })],
  ])
  for (const [path, content] of Object.entries({ ...manifests, ...files })) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
  return findViolations(root)
}

describe('the dependency rule', () => {
  it('holds in this repository', () => {
    expect(findViolations(resolve(import.meta.dirname, '../..'))).toEqual([])
  })

  it.each([
    ['a value', "import { login } from '@arctos/client'"],
    ['a type', "import type { Login } from '@arctos/client'"],
    ['a side effect', "import '@arctos/client'"],
    ['a subpath', "import { login } from '@arctos/client/login'"],
    ['a re-export', "export { login } from '@arctos/client'"],
    ['a star export', "export * from '@arctos/client'"],
    ['a dynamic import', "const client = await import('@arctos/client')"],
    ['an inline type', "export type Login = import('@arctos/client').Login"],
    ['require', "const client = require('@arctos/client')"],
  ])('refuses a sibling imported as %s', async (_form, code) => {
    const violations = await plant({ 'packages/resource-server/src/guard.ts': `\n${code}` })
    expect(violations).toEqual(['packages/resource-server/src/guard.ts:2 imports its sibling @arctos/client'])
  })

  it.each([
    ['packages/core/src/index.ts', '@arctos/client'],
    ['packages/client/src/index.ts', '@arctos/bff'],
    ['packages/bff/src/index.ts', '@arctos/resource-server'],
    ['packages/testing/src/index.ts', '@arctos/bff'],
    ['packages/client/src/index.ts', 'arctos'],
    ['apps/console/src/index.ts', '@arctos/core'],
  ])('refuses an arrow from %s to %s', async (file, target) => {
    expect(await plant({ [file]: `import '${target}'` })).toEqual([`${file}:1 imports its sibling ${target}`])
  })

  it.each([
    ['packages/client/src/index.ts', '@arctos/core'],
    ['packages/client/src/index.ts', '@arctos/client'],
    ['packages/bff/src/index.ts', '@arctos/client'],
    ['packages/testing/src/index.ts', '@arctos/authorization-server'],
    ['apps/cli/src/main.ts', '@arctos/resource-server'],
    ['packages/authorization-server/src/store/postgres.ts', 'pg'],
    ['packages/authorization-server/src/store/sqlite.ts', 'node:sqlite'],
    ['packages/client/src/stores/sqlite.ts', 'node:sqlite'],
    ['packages/authorization-server/src/endpoints/token.ts', '../http/form.ts'],
  ])('allows %s to import %s', async (file, target) => {
    expect(await plant({ [file]: `import '${target}'` })).toEqual([])
  })

  it('does not take an example in a comment for an import', async () => {
    const file = 'packages/client/src/index.ts'
    expect(await plant({ [file]: "// import '@arctos/bff'\n/* await import('@arctos/bff') */" })).toEqual([])
  })

  it.each([
    ['../../core/src/jwk.ts', 'leaves its package by a relative path: ../../core/src/jwk.ts'],
    ['/etc/module.js', 'imports by location: /etc/module.js'],
    ['hono', 'imports hono, which it does not declare'],
    ['fs', 'imports fs: write node:fs'],
    [
      'pg',
      'imports pg outside packages/authorization-server/src/store/ and packages/client/src/stores/ and packages/bff/src/stores/',
    ],
    [
      'node:sqlite',
      'imports node:sqlite outside packages/authorization-server/src/store/ and packages/client/src/stores/ and packages/bff/src/stores/',
    ],
  ])('refuses %s', async (target, complaint) => {
    const file = 'packages/client/src/index.ts'
    expect(await plant({ [file]: `await import('${target}')` })).toEqual([`${file}:1 ${complaint}`])
  })

  it('refuses an import whose target is computed', async () => {
    const file = 'packages/client/src/index.ts'
    const violations = await plant({ [file]: "const name = '@arctos/' + 'bff'; await import(name)" })
    expect(violations).toEqual([`${file}:1 imports a name that is computed, which no check can follow`])
  })

  it('refuses input and output in core', async () => {
    const file = 'packages/core/src/index.ts'
    expect(await plant({ [file]: "import 'node:fs'" })).toEqual([`${file}:1 imports node:fs: core is pure`])
  })

  it('refuses http/ outside endpoints/', async () => {
    const file = 'packages/authorization-server/src/tokens/access.ts'
    const violations = await plant({ [file]: "import '../http/form.ts'" })
    expect(violations).toEqual([`${file}:1 imports ../http/form.ts: http/ is for endpoints/ only`])
  })

  it('takes a sentence for no statement', async () => {
    const file = 'packages/client/src/index.ts'
    expect(await plant({ [file]: "throw new Error('Select a resource from the list')" })).toEqual([])
  })

  it('refuses SQL outside the store', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholder belongs to the planted code
    const code = 'export const all = `\n  SELECT ${columns}\n  FROM client`'
    const violations = await plant({
      'packages/authorization-server/src/endpoints/token.ts': code,
      'packages/authorization-server/src/store/clients.ts': code,
      'packages/client/src/session.ts': code,
      'packages/client/src/stores/postgres.ts': code,
    })
    const complaint =
      'writes SQL outside packages/authorization-server/src/store/ and packages/client/src/stores/ and packages/bff/src/stores/'
    expect(violations.sort()).toEqual([
      `packages/authorization-server/src/endpoints/token.ts:1 ${complaint}`,
      `packages/client/src/session.ts:1 ${complaint}`,
    ])
  })
})
