// Enforces who may import whom. npm workspaces do not: a hoisted sibling can be imported by anyone.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'

/** A sentence with the place it is about: `packages/client/src/fetch.ts:3 …`. */
export type Violation = string

/** The packages that a package may import beside `core`. Whatever lies in `apps` may import all, except the console. */
const siblings: Readonly<Record<string, readonly string[]>> = {
  'packages/bff': ['packages/client'],
  'packages/testing': ['packages/authorization-server', 'packages/resource-server', 'packages/client'],
}

/** What the pure package may take from Node: algorithms, nothing that reads or writes the world. */
const coreBuiltins = ['node:buffer', 'node:crypto', 'node:util', 'node:zlib']
const store = 'packages/authorization-server/src/store/'
/** Where databases are spoken to: the server's data, and the sessions of clients and of browsers. */
const databaseFolders = [store, 'packages/client/src/stores/', 'packages/bff/src/stores/']
const http = 'packages/authorization-server/src/http/'
const endpoints = 'packages/authorization-server/src/endpoints/'
const sqlStatements = [
  /^select\s.*\sfrom\s/is,
  /^(insert|replace)\s.*\binto\s/is,
  /^update\s+\S+\s+set\s/i,
  /^delete\s+from\s/i,
  /^(create|alter|drop)\s.*\b(table|index)\b/is,
  /^with\s+\w+.*\bas\s*\(/is,
  /^pragma\s+\w+/i,
  /^begin\s+(immediate|transaction)\b/i,
]

interface Package {
  readonly folder: string
  readonly name: string
  readonly dependencies: ReadonlySet<string>
}

/** Checks every `src` folder of the workspaces under `root`. An empty list means that the rule holds. */
export function findViolations(root: string): Violation[] {
  const packages = readPackages(root)
  return packages.flatMap((each) =>
    sourceFiles(join(root, each.folder, 'src')).flatMap((file) => checkFile(file, each)),
  )

  function checkFile(path: string, from: Package): Violation[] {
    const file = slashes(relative(root, path))
    const { specifiers, texts } = readModule(path)
    const complaints = [
      ...specifiers.map(({ text, line }) => ({ line, complaint: checkImport(text, path, file, from) })),
      ...texts
        .filter(({ text }) => isSql(text) && !mayUseDatabases(file))
        .map(({ line }) => ({
          line,
          complaint: `writes SQL outside ${databaseFolders.join(' and ')}`,
        })),
    ]
    return complaints.flatMap(({ line, complaint }) =>
      complaint === undefined ? [] : [`${file}:${line} ${complaint}`],
    )
  }

  function checkImport(specifier: string | undefined, path: string, file: string, from: Package): string | undefined {
    if (specifier === undefined) return 'imports a name that is computed, which no check can follow'
    if (specifier.startsWith('.')) {
      const target = slashes(relative(root, resolve(dirname(path), specifier)))
      if (!target.startsWith(`${from.folder}/`)) return `leaves its package by a relative path: ${specifier}`
      const mayUseHttp = file.startsWith(endpoints) || file.startsWith(http)
      return target.startsWith(http) && !mayUseHttp ? `imports ${specifier}: http/ is for endpoints/ only` : undefined
    }
    if (specifier.startsWith('/') || /^(file|data|https?):/.test(specifier)) return `imports by location: ${specifier}`
    if ((specifier === 'node:sqlite' || /^pg($|[/-])/.test(specifier)) && !mayUseDatabases(file)) {
      return `imports ${specifier} outside ${databaseFolders.join(' and ')}`
    }
    if (isBuiltin(specifier)) {
      if (!specifier.startsWith('node:')) return `imports ${specifier}: write node:${specifier}`
      const isPure = from.folder !== 'packages/core' || coreBuiltins.includes(specifier)
      return isPure ? undefined : `imports ${specifier}: core is pure`
    }
    const name = packageName(specifier)
    const workspace = packages.find((each) => each.name === name)
    if (workspace !== undefined && !mayImport(from.folder, workspace.folder)) return `imports its sibling ${name}`
    return name === from.name || from.dependencies.has(name) ? undefined : `imports ${name}, which it does not declare`
  }
}

function mayUseDatabases(file: string): boolean {
  return databaseFolders.some((folder) => file.startsWith(folder))
}

function mayImport(from: string, to: string): boolean {
  if (from === to) return true
  if (from === 'apps/console' || to.startsWith('apps/') || from === 'packages/core') return false
  if (from.startsWith('apps/') || to === 'packages/core') return true
  return siblings[from]?.includes(to) ?? false
}

function readPackages(root: string): Package[] {
  return ['packages', 'apps'].flatMap((parent) => {
    const folders = existsSync(join(root, parent)) ? readdirSync(join(root, parent)) : []
    return folders.flatMap((name) => {
      const folder = `${parent}/${name}`
      const path = join(root, folder, 'package.json')
      if (!existsSync(path)) return []
      const manifest = JSON.parse(readFileSync(path, 'utf8'))
      const declared = { ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies }
      return [{ folder, name: manifest.name, dependencies: new Set(Object.keys(declared)) }]
    })
  })
}

function sourceFiles(folder: string): string[] {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return entries.filter((name) => /\.[cm]?[jt]sx?$/.test(name)).map((name) => join(folder, name))
}

interface Found<Text> {
  readonly text: Text
  readonly line: number
}

/** Everything that a module imports, in any of the ways a module can, and every text it contains. */
function readModule(path: string): { specifiers: Found<string | undefined>[]; texts: Found<string>[] } {
  const code = readFileSync(path, 'utf8')
  const { program, errors } = parseSync(path, code)
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`)
  const specifiers: Found<string | undefined>[] = []
  const texts: Found<string>[] = []
  const lineOf = (offset: number) => code.slice(0, offset).split('\n').length
  const found = (node: { type: string; start: number; value?: unknown } | null | undefined) => {
    if (node === null || node === undefined) return
    const text = typeof node.value === 'string' ? node.value : undefined
    specifiers.push({ text, line: lineOf(node.start) })
  }
  new Visitor({
    ImportDeclaration: (node) => found(node.source),
    ExportNamedDeclaration: (node) => found(node.source),
    ExportAllDeclaration: (node) => found(node.source),
    ImportExpression: (node) => found(node.source),
    TSImportType: (node) => found(node.source),
    TSExternalModuleReference: (node) => found(node.expression),
    CallExpression: (node) => {
      const { callee } = node
      const isRequire = callee.type === 'Identifier' && callee.name === 'require'
      const isProperty = callee.type === 'MemberExpression' && !callee.computed
      const isResolve = isProperty && /^(import\.meta|require)\.resolve$/.test(code.slice(callee.start, callee.end))
      if (isRequire || isResolve) found(node.arguments[0])
    },
    Literal: (node) => {
      if (typeof node.value === 'string') texts.push({ text: node.value, line: lineOf(node.start) })
    },
    TemplateLiteral: (node) => {
      texts.push({ text: node.quasis.map((quasi) => quasi.value.raw).join('value'), line: lineOf(node.start) })
    },
  }).visit(program)
  return { specifiers, texts }
}

/** A sentence that begins with "Select" or "Update" is no statement: SQL is written in one case. */
function isSql(text: string): boolean {
  const statement = text.trim()
  const verb = /^[a-z]+/i.exec(statement)?.[0] ?? ''
  if (verb !== verb.toUpperCase() && verb !== verb.toLowerCase()) return false
  return sqlStatements.some((form) => form.test(statement))
}

function packageName(specifier: string): string {
  const parts = specifier.split('/')
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}

function slashes(path: string): string {
  return path.split(sep).join('/')
}

if (import.meta.main) {
  const violations = findViolations(resolve(import.meta.dirname, '..'))
  for (const violation of violations) console.error(violation)
  if (violations.length > 0) process.exit(1)
}
