// Makes docs/spec-map.md: which clause is decided where, and which test proves it. docs/spec/README.md has the rules.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeFiles, readTests, type TestFile, workspaceFolders } from './test-texts.ts'

/** One row of a table in `docs/spec`. */
export interface Demand {
  /** As a test cites it: `RFC 6749 §4.1.2(b)`. */
  readonly id: string
  readonly rfc: string
  /** `RFC 6749 §4.1.2`, which several demands may share. */
  readonly section: string
  /** Empty where the section makes one demand only. */
  readonly letter: string
  readonly level: string
  readonly role: string
  readonly requirement: string
  /** The cell as written. */
  readonly applies: string
  /** The ids of the demands that this one restates. */
  readonly sameAs: readonly string[]
}

interface Table {
  readonly rfc: string
  readonly title: string
  readonly demands: readonly Demand[]
}

interface Proof {
  readonly file: string
  readonly title: string
}

/** A page and what is wrong with what it shows. */
export interface SpecMap {
  readonly page: string
  /** A sentence each: an applying MUST without a test, a citation that nobody can follow. */
  readonly problems: readonly string[]
}

const row =
  /^\| §([0-9A-Z]+(?:\.\d+)*)(?:\(([a-z])\))? \| (MUST|SHOULD|SAYS) \| (AS|RS|C|all) \| ([^|]+) \| ([^|]+) \|$/
const citations = /RFC (\d+) §([0-9A-Z]+(?:\.\d+)*)((?:\([a-z]\))*)/g
const wholeCitation = new RegExp(`^${citations.source}$`)
const endOfTitle = /^(.*?)\s*\[([^[\]]*\bRFC \d[^[\]]*)\]$/s

/** Reads tables, sources and tests below `root`. Throws on a table that breaks its own form. */
export function makeSpecMap(root: string): SpecMap {
  const tables = readTables(root)
  const demands = tables.flatMap((table) => table.demands)
  const { proofs, problems } = matchTests(demands, readTests(root))
  const isProven = ({ id, sameAs }: Demand): boolean =>
    proofs.has(id) || (sameAs.length > 0 && sameAs.every((each) => proofs.has(each)))
  const unproven = demands.filter((demand) => isOwed(demand) && !isProven(demand))
  const page = renderPage(tables, unproven, proofs, matchSources(demands, root))
  return {
    page,
    problems: [...problems, ...unproven.map(({ id, requirement }) => `${id} has no test: ${requirement}`)],
  }
}

/** Whether a test is owed: a MUST that applies here, in its own words or in those of another row. */
function isOwed(demand: Demand): boolean {
  return demand.level === 'MUST' && !demand.applies.startsWith('no: ')
}

function readTables(root: string): Table[] {
  const folder = join(root, 'docs/spec')
  const tables = readdirSync(folder)
    .filter((name) => /^rfc\d+\.md$/.test(name))
    .sort()
    .map((name) => readTable(name.slice(3, -3), readFileSync(join(folder, name), 'utf8')))
  const byId = new Map(tables.flatMap((table) => table.demands).map((demand) => [demand.id, demand]))
  for (const demand of byId.values()) {
    for (const id of demand.sameAs) {
      if (byId.get(id)?.applies !== 'yes')
        throw new Error(`${demand.id} is the same as ${id}, which is no row that applies`)
    }
  }
  return tables
}

function readTable(rfc: string, text: string): Table {
  const lines = text.split('\n')
  const demands = lines.filter((line) => line.startsWith('| §')).map((line) => readRow(rfc, line))
  for (const { id, section, letter } of demands) {
    if (demands.filter((each) => each.id === id).length > 1) throw new Error(`${id} is there twice`)
    const isAlone = demands.filter((each) => each.section === section).length === 1
    if (isAlone !== (letter === ''))
      throw new Error(`${id}: letters are for sections with several demands, and for all of them`)
  }
  return { rfc, title: lines[0]?.replace(/^# /, '') ?? rfc, demands }
}

function readRow(rfc: string, line: string): Demand {
  const [, clause, letter = '', level, role, requirement, applies = ''] = row.exec(line) ?? []
  if (clause === undefined || level === undefined || role === undefined || requirement === undefined) {
    throw new Error(`RFC ${rfc}: cannot read the row ${line}`)
  }
  const sameAs = applies.startsWith('same as ') ? readTargets(rfc, applies.slice('same as '.length)) : []
  if (applies !== 'yes' && !/^no: ./.test(applies) && sameAs.length === 0) {
    throw new Error(`RFC ${rfc}: "yes", "no: why" or "same as §…" is needed in the row ${line}`)
  }
  const section = `RFC ${rfc} §${clause}`
  const id = letter === '' ? section : `${section}(${letter})`
  return { id, rfc, section, letter, level, role, requirement, applies, sameAs }
}

function readTargets(rfc: string, list: string): string[] {
  return list.split(', ').map((target) => (target.startsWith('§') ? `RFC ${rfc} ${target}` : target))
}

/** The demands that one citation names; without a letter it is the first of the section. */
function named(demands: readonly Demand[], section: string, letters: string): (Demand | undefined)[] {
  const ofSection = demands.filter((demand) => demand.section === section)
  const wanted = letters === '' ? ['a'] : [...letters.matchAll(/[a-z]/g)].map(([letter]) => letter)
  return wanted.map((letter) =>
    ofSection.find((demand) => demand.letter === letter || (demand.letter === '' && letter === 'a')),
  )
}

function matchTests(demands: readonly Demand[], tests: readonly TestFile[]) {
  const rfcs = new Set(demands.map((demand) => demand.rfc))
  const proofs = new Map<string, Proof[]>()
  const problems: string[] = []
  for (const { file, texts } of tests) {
    for (const text of texts) {
      const [, title = '', cited = ''] = endOfTitle.exec(text) ?? []
      for (const part of cited.split(/,\s*/)) {
        const [, rfc = /^RFC (\d+)/.exec(part)?.[1] ?? '', clause, letters = ''] = wholeCitation.exec(part) ?? []
        if (!rfcs.has(rfc)) continue
        const found = clause === undefined ? [undefined] : named(demands, `RFC ${rfc} §${clause}`, letters)
        // A section that demands nothing may be cited; a letter that does not exist is a slip that would prove nothing.
        if (found.includes(undefined) && (clause === undefined || letters !== '')) {
          problems.push(`${file}: "${title}" cites ${part}, which is no row of docs/spec/rfc${rfc}.md`)
        }
        for (const demand of found) {
          if (demand !== undefined) add(proofs, demand.id, { file, title })
        }
      }
    }
  }
  return { proofs, problems }
}

/** Where the sources cite a demand. A citation without a letter stands for its whole section. */
function matchSources(demands: readonly Demand[], root: string): Map<string, string[]> {
  const places = new Map<string, string[]>()
  // What the kit for tests says about a clause is a test's word, not where it is decided.
  const folders = workspaceFolders(root, 'src').filter((folder) => folder !== 'packages/testing/src')
  for (const file of folders.flatMap((folder) => codeFiles(root, folder))) {
    for (const [, rfc, clause, letters = ''] of readFileSync(join(root, file), 'utf8').matchAll(citations)) {
      const section = `RFC ${rfc} §${clause}`
      const found =
        letters === '' ? demands.filter((each) => each.section === section) : named(demands, section, letters)
      for (const demand of found) {
        if (demand !== undefined && !places.get(demand.id)?.includes(file)) add(places, demand.id, file)
      }
    }
  }
  return places
}

function add<Value>(lists: Map<string, Value[]>, key: string, value: Value): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

function renderPage(
  tables: readonly Table[],
  unproven: readonly Demand[],
  proofs: ReadonlyMap<string, readonly Proof[]>,
  places: ReadonlyMap<string, readonly string[]>,
): string {
  const demands = tables.flatMap((table) => table.demands)
  const count = (title: string, of: readonly Demand[]) => {
    const owed = of.filter(isOwed)
    const open = owed.filter((demand) => unproven.includes(demand)).length
    const musts = of.filter((demand) => demand.level === 'MUST').length
    return `| ${title} | ${musts} | ${owed.length} | ${owed.length - open} | ${open} |`
  }
  const detail = (demand: Demand) => {
    const clause = demand.id.slice(demand.id.indexOf('§'))
    const decided = (places.get(demand.id) ?? []).map((file) => `\`${file}\``).join('<br>')
    const cells = [clause, demand.role, demand.level, demand.requirement, demand.applies, decided]
    return `| ${cells.join(' | ')} | ${renderProofs(proofs.get(demand.id) ?? [])} |`
  }
  return [
    '<!-- Made by scripts/docs.ts from docs/spec, the sources and the titles of the tests. Do not edit. -->',
    '# Every demand of the specifications, where it is decided and what proves it',
    '',
    '[How to read and cite the rows](spec/README.md). A row that restates others is proven when they all are.',
    '',
    '| RFC | MUST | apply | with a test | without |',
    '|---|---|---|---|---|',
    ...tables.map((table) => count(table.title, table.demands)),
    count('all', demands),
    '',
    '## MUSTs that apply and have no test',
    '',
    ...(unproven.length === 0 ? ['None.'] : unproven.map((each) => `- ${each.id}, ${each.role}: ${each.requirement}`)),
    ...tables.flatMap((table) => [
      '',
      `## ${table.title}`,
      '',
      '| clause | role | level | requirement | applies | decided in | proven by |',
      '|---|---|---|---|---|---|---|',
      ...table.demands.map(detail),
    ]),
    '',
  ].join('\n')
}

function renderProofs(proofs: readonly Proof[]): string {
  const files = [...new Set(proofs.map(({ file }) => file))]
  const titlesOf = (file: string) => new Set(proofs.filter((proof) => proof.file === file).map(({ title }) => title))
  return files.map((file) => `\`${file}\`: ${[...titlesOf(file)].map(cell).join('; ')}`).join('<br>')
}

/** Makes a title safe inside a cell of a Markdown table. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll(/\s+/g, ' ')
}
