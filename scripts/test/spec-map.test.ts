import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { makeDocs } from '../docs.ts'
import { makeRefusalsPage } from '../refusals-doc.ts'
import { makeSpecMap } from '../spec-map.ts'

const roots: string[] = []
afterAll(() => Promise.all(roots.map((root) => rm(root, { recursive: true }))))

const head = '# RFC 9999: A Test\n\n| clause | level | role | requirement | applies |\n|---|---|---|---|---|\n'
const tableFile = 'docs/spec/rfc9999.md'
const testFile = 'packages/core/test/a.test.ts'
const refusal = {
  code: 'invalid_token',
  status: 401,
  sentence: 'No.',
  spec: 'RFC 9999 §1',
  fix: 'Ask.',
  readers: 'owner',
}

async function plant(files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'arctos-spec-map-'))
  roots.push(root)
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
  return root
}

/** A table of the given rows, one test file, and the problems found. */
async function problemsOf(rows: readonly string[], test: string): Promise<readonly string[]> {
  const root = await plant({ [tableFile]: `${head}${rows.join('\n')}\n`, [testFile]: test })
  return makeSpecMap(root).problems
}

const one = '| §1 | MUST | AS | does the thing | yes |'
const first = '| §1(a) | MUST | AS | does the thing | yes |'
const second = '| §1(b) | MUST | RS | does the other thing | yes |'

describe('the map of clauses to tests', () => {
  it('reports a MUST that applies and has no test', async () => {
    expect(await problemsOf([one], '')).toEqual(['RFC 9999 §1 has no test: does the thing'])
  })

  it.each([
    ['a plain title', "it('does it [RFC 9999 §1]', () => {})"],
    ['a title on its own line', 'it(\n  "doesn\'t fail [RFC 9999 §1]", () => {})'],
    ['a template', 'it(`does $' + '{it} [RFC 9999 §1]`, () => {})'],
    ['the row of a table', "const rows = [['does it [RFC 9999 §1]', 1]]\nit.each(rows)('%s', () => {})"],
    ['several clauses', "it('does it [PROTOCOL §2, RFC 1 §1, RFC 9999 §1]', () => {})"],
    ['the letter a', "it('does it [RFC 9999 §1(a)]', () => {})"],
  ])('takes the citation of %s', async (_form, test) => {
    expect(await problemsOf([one], test)).toEqual([])
  })

  it.each([
    ['a comment', "// it('does it [RFC 9999 §1]', () => {})"],
    ['a skipped test', "it.skip('does it [RFC 9999 §1]', () => {})"],
    ['a test to do', "it.todo('does it [RFC 9999 §1]')"],
    ['a skipped table', "it.skip.each([1])('does it [RFC 9999 §1]', () => {})"],
    ['a skipped group', "describe.skip('x', () => { it('does it [RFC 9999 §1]', () => {}) })"],
    ['the title of a group', "describe('does it [RFC 9999 §1]', () => {})"],
    ['a citation in mid-title', "it('does [RFC 9999 §1] it', () => {})"],
    ['a longer clause', "it('does it [RFC 9999 §1.1]', () => {})"],
    ['another RFC', "it('does it [RFC 999 §1]', () => {})"],
  ])('does not take %s for a test', async (_form, test) => {
    expect(await problemsOf([one], test)).toEqual(['RFC 9999 §1 has no test: does the thing'])
  })

  it('takes a citation without a letter for row (a) alone', async () => {
    const problems = await problemsOf([first, second], "it('does it [RFC 9999 §1]', () => {})")
    expect(problems).toEqual(['RFC 9999 §1(b) has no test: does the other thing'])
  })

  it('takes a letter for its own row alone', async () => {
    const problems = await problemsOf([first, second], "it('does it [RFC 9999 §1(b)]', () => {})")
    expect(problems).toEqual(['RFC 9999 §1(a) has no test: does the thing'])
  })

  it('takes several letters at once', async () => {
    expect(await problemsOf([first, second], "it('does both [RFC 9999 §1(a)(b)]', () => {})")).toEqual([])
  })

  it('counts a restatement as proven when all that it restates is', async () => {
    const rows = [first, second, '| §2 | MUST | all | does both | same as §1(a), RFC 9999 §1(b) |']
    const [half, all] = await Promise.all([
      problemsOf(rows, "it('does it [RFC 9999 §1(a)]', () => {})"),
      problemsOf(rows, "it('does both [RFC 9999 §1(a)(b)]', () => {})"),
    ])
    expect(half).toEqual(['RFC 9999 §1(b) has no test: does the other thing', 'RFC 9999 §2 has no test: does both'])
    expect(all).toEqual([])
  })

  it('asks no test of a SHOULD, nor of what does not apply', async () => {
    const rows = ['| §1 | SHOULD | C | does it | yes |', '| §2 | MUST | C | does that | no: not offered |']
    expect(await problemsOf(rows, '')).toEqual([])
  })

  it.each(['RFC 9999 §1(c)', 'RFC 9999 §2(a)', 'RFC 9999 §1 (b)', 'RFC 9999 1'])(
    'reports the citation %s, which leads nowhere',
    async (cited) => {
      const test = `it('does both [RFC 9999 §1(a)(b)]', () => {})\nit('slips [${cited}]', () => {})`
      const problem = `${testFile}: "slips" cites ${cited}, which is no row of docs/spec/rfc9999.md`
      expect(await problemsOf([first, second], test)).toEqual([problem])
    },
  )

  it('lets a test cite a section that demands nothing', async () => {
    expect(await problemsOf([one], "it('does it [RFC 9999 §1, RFC 9999 §7]', () => {})")).toEqual([])
  })

  it.each([
    ['without an answer', ['| §1 | MUST | AS | does it | perhaps |']],
    ['without a role', ['| §1 | MUST | does it | yes |']],
    ['with a no but no reason', ['| §1 | MUST | AS | does it | no: |']],
    ['with one clause twice', [one, one]],
    ['with a letter too many', [first]],
    ['with a letter too few', [one, second]],
    ['that restates nothing', [one, '| §2 | MUST | AS | does it | same as §3 |']],
    ['that restates a restatement', ['| §1 | MUST | AS | does it | same as §1 |']],
  ])('refuses a table %s', async (_form, rows) => {
    await expect(problemsOf(rows, '')).rejects.toThrow('RFC 9999')
  })

  it('shows where a demand is decided and what proves it', async () => {
    const { page } = makeSpecMap(
      await plant({
        [tableFile]: `${head}${first}\n${second}\n`,
        [testFile]: "it('does a | b [RFC 9999 §1(a)]', () => {})",
        'packages/core/src/whole.ts': '// RFC 9999 §1.',
        'apps/cli/src/other.ts': '// RFC 9999 §1(b), RFC 9999 §1(b)',
        'packages/core/src/node_modules/x/y.ts': '// RFC 9999 §1',
      }),
    )
    expect(page).toContain(
      `| §1(a) | AS | MUST | does the thing | yes | \`packages/core/src/whole.ts\` | \`${testFile}\`: does a \\| b |`,
    )
    expect(page).toContain('| yes | `packages/core/src/whole.ts`<br>`apps/cli/src/other.ts` |  |')
    expect(page).toContain('| RFC 9999: A Test | 2 | 2 | 1 | 1 |')
    expect(page).toContain('- RFC 9999 §1(b), RS: does the other thing')
  })

  it('can read the tables of this repository', () => {
    expect(makeSpecMap(resolve(import.meta.dirname, '../..')).page).toContain('## RFC 9068')
  })
})

describe('the page of refusals', () => {
  it('shows a row, and nothing where nothing is said', async () => {
    const silent = { ...refusal, code: '', sentence: '', readers: 'nobody' }
    const { page } = makeRefusalsPage(await plant({}), { 'a.b': refusal, 'a.c': silent })
    expect(page).toContain(
      '| `a.b` | 401 | `invalid_token` | No. | RFC 9999 §1 | Ask. | the client itself, the operator |',
    )
    expect(page).toContain('| `a.c` | 401 | none | none | RFC 9999 §1 | Ask. | the operator |')
  })

  it.each([
    ['nowhere', '', 1],
    ['in a comment', "// 'a.b'", 1],
    ['inside a longer text', "it('says a.b', () => {})", 1],
    ['in quotes', "it('says no', () => expect(reason).toBe('a.b'))", 0],
  ])('counts the problems of a reason that the tests name %s', async (_place, test, count) => {
    const root = await plant({ [testFile]: test })
    expect(makeRefusalsPage(root, { 'a.b': refusal }).problems).toHaveLength(count)
  })
})

describe('the check of the pages', () => {
  const files = { [tableFile]: `${head}${one}\n`, [testFile]: "it('does it [RFC 9999 §1]', () => refuse('a.b'))" }

  it('passes what was just written', async () => {
    const root = await plant(files)
    makeDocs(root, { 'a.b': refusal }, 'write')
    expect(makeDocs(root, { 'a.b': refusal }, 'check')).toEqual([])
  })

  it('fails a page that is missing', async () => {
    expect(makeDocs(await plant(files), { 'a.b': refusal }, 'check')).toHaveLength(2)
  })

  it.each(['docs/spec-map.md', 'docs/refusals.md'])('fails a stale %s and leaves it as it is', async (page) => {
    const root = await plant(files)
    makeDocs(root, { 'a.b': refusal }, 'write')
    await writeFile(join(root, page), 'old')
    expect(makeDocs(root, { 'a.b': refusal }, 'check').join()).toContain(`${page} is stale`)
    expect(await readFile(join(root, page), 'utf8')).toBe('old')
  })

  it('fails a refusal that no test produces, and a MUST without a test', async () => {
    const root = await plant({ [tableFile]: `${head}${one}\n` })
    makeDocs(root, { 'a.b': refusal }, 'write')
    expect(makeDocs(root, { 'a.b': refusal }, 'check')).toEqual([
      'RFC 9999 §1 has no test: does the thing',
      'no test produces the refusal a.b',
    ])
  })
})
