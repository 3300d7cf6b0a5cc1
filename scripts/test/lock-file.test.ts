import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

interface Entry {
  readonly optionalDependencies?: Record<string, string>
  readonly resolved?: string
  readonly link?: boolean
}

const text = readFileSync(resolve(import.meta.dirname, '../../package-lock.json'), 'utf8')
const packages: Record<string, Entry> = JSON.parse(text).packages

describe('the lock file', () => {
  // npm leaves out what a registry lacks without a word, and then `npm ci` refuses the lock on that platform.
  it('holds the optional packages of every platform', () => {
    const present = new Set(Object.keys(packages).map((path) => path.split('node_modules/').pop()))
    const wanted = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
    expect(wanted.filter((name) => !present.has(name))).toEqual([])
  })

  it('names no registry, so that it serves behind any', () => {
    const registered = Object.entries(packages).filter(
      ([, entry]) => entry.link !== true && entry.resolved !== undefined,
    )
    expect(registered).toEqual([])
  })
})

describe('every manifest', () => {
  const manifests = ['.', ...Object.keys(packages).filter((path) => /^(packages|apps)\//.test(path))]
  it.each(manifests)('pins exact versions: %s', (folder) => {
    const manifest = JSON.parse(readFileSync(resolve(import.meta.dirname, '../..', folder, 'package.json'), 'utf8'))
    const { dependencies, devDependencies, optionalDependencies } = manifest
    const versions = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(String(version)))).toEqual([])
  })
})
