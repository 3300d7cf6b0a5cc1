// What the tests say: every text in them that can run. A comment, a skipped test and the title of a group prove nothing.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'

/** The texts of one file of tests: titles, rows of tables, everything in quotes. */
export interface TestFile {
  /** Relative to the root, with slashes. */
  readonly file: string
  readonly texts: readonly string[]
}

interface Range {
  readonly start: number
  readonly end: number
}

/** Tests that are data, and a product: their titles run in every test of an adapter. */
const vectors = ['packages/testing/src/vectors']
const codeFile = /\.[cm]?[jt]sx?$/

/** Reads the tests of all packages and apps, the vectors, and those of `conformance`, `interop` and `examples`. */
export function readTests(root: string): TestFile[] {
  const folders = [...workspaceFolders(root, 'test'), ...vectors, 'conformance', 'interop', 'examples']
  return folders
    .flatMap((folder) => codeFiles(root, folder))
    .map((file) => ({ file, texts: runnableTexts(file, readFileSync(join(root, file), 'utf8')) }))
}

/** The folder called `name` of every package and app: `packages/core/src`, … */
export function workspaceFolders(root: string, name: string): string[] {
  return ['packages', 'apps'].flatMap((parent) =>
    existsSync(join(root, parent))
      ? readdirSync(join(root, parent))
          .sort()
          .map((each) => `${parent}/${each}/${name}`)
      : [],
  )
}

/** All files of code below a folder, sorted, without what was installed or built there. */
export function codeFiles(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(root, folder, entry.name)
      const file = relative(root, path).split(sep).join('/')
      if (entry.isDirectory()) return /^(node_modules|dist|\..*)$/.test(entry.name) ? [] : codeFiles(root, file)
      return codeFile.test(entry.name) ? [file] : []
    })
}

function runnableTexts(file: string, code: string): string[] {
  const { program, errors } = parseSync(file, code)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`)
  const found: (Range & { readonly text: string })[] = []
  const excluded: Range[] = []
  new Visitor({
    CallExpression: (node) => {
      const chain = /^(it|test|describe|suite)((?:\.\w+)*)/.exec(code.slice(node.callee.start, node.callee.end))
      if (chain === null) return
      if (/\.(skip|todo|fails)(\.|$)/.test(chain[2] ?? '')) excluded.push(node)
      const title = node.arguments[0]
      if (/^(describe|suite)$/.test(chain[1] ?? '') && title !== undefined) excluded.push(title)
    },
    Literal: (node) => {
      if (typeof node.value === 'string') found.push({ text: node.value, start: node.start, end: node.end })
    },
    TemplateLiteral: (node) => {
      const text = node.quasis.map((quasi) => quasi.value.cooked ?? quasi.value.raw).join('…')
      found.push({ text, start: node.start, end: node.end })
    },
  }).visit(program)
  const isExcluded = ({ start, end }: Range) => excluded.some((range) => range.start <= start && end <= range.end)
  return found.filter((each) => !isExcluded(each)).map(({ text }) => text)
}
