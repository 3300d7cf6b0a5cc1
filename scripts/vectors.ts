// Runs core's lower layer against public test vectors: `npm run vectors -- DIR`. Exits 1 when an invalid one is accepted, or a
// valid one in compact form with an algorithm on offer is refused.
import { contradictionOf } from './vectors/contradictions.ts'
import { readKeys, readSignatures } from './vectors/cookbook.ts'
import { judge, type Vector, type Verdict } from './vectors/vector.ts'
import { readWycheproof } from './vectors/wycheproof.ts'

interface Result {
  readonly source: string
  readonly vector: Vector
  readonly verdict: Verdict | 'contradictory'
  /** One line for whoever has to look at this vector. */
  readonly note: string
}

function readAll(directory: string): readonly (readonly [source: string, vectors: readonly Vector[]])[] {
  const wycheproof = ['json_web_signature_test.json', 'json_web_crypto_test.json', 'json_web_key_test.json']
  return [
    ...wycheproof.map((name) => [name, readWycheproof(directory, name)] as const),
    ['RFC 7520 signatures', readSignatures(directory, 'jws')],
    ['RFC 7520 keys', readKeys(directory)],
    ['RFC 8037 curve25519', readSignatures(directory, 'curve25519')],
  ]
}

function decide(source: string, vector: Vector): Result {
  const attempt = vector.attempt()
  const answer = attempt.layer === 'accepted' ? 'accepted' : `refused: ${attempt.why}`
  const said = vector.isValid ? 'valid' : 'invalid'
  const contradiction = contradictionOf(source, vector)
  const verdict = contradiction === undefined ? judge(vector, attempt) : 'contradictory'
  const note = `${source}, ${vector.id} (${vector.title}): ${contradiction ?? said}; here ${answer}`
  return { source, vector, verdict, note }
}

function printTable(sources: readonly string[], results: readonly Result[]): void {
  const verdicts = ['passed', 'failed', 'not offered', 'contradictory'] as const
  const row = (name: string, of: readonly Result[]): string =>
    [name.padEnd(30), ...verdicts.map((verdict) => String(count(of, verdict)).padStart(verdict.length))].join('  ')
  console.log(['vectors'.padEnd(30), ...verdicts].join('  '))
  for (const source of sources) {
    const ofSource = results.filter((each) => each.source === source)
    console.log(row(source, ofSource))
  }
  console.log(row('all', results))
}

function printNotes(results: readonly Result[]): void {
  for (const verdict of ['contradictory', 'failed'] as const) {
    const noted = results.filter((each) => each.verdict === verdict)
    if (noted.length > 0) console.log(`\n${verdict}:\n${noted.map(({ note }) => `  ${note}`).join('\n')}`)
  }
  const missing = Map.groupBy(
    results.filter(({ verdict }) => verdict === 'not offered'),
    ({ vector }) => vector.notOffered,
  )
  const counts = [...missing].map(([name, of]) => `${name} ${of.length}`).sort()
  if (counts.length > 0) console.log(`\nnot offered: ${counts.join(', ')}`)
}

function count(results: readonly Result[], verdict: Result['verdict']): number {
  return results.filter((each) => each.verdict === verdict).length
}

const [directory] = process.argv.slice(2)
if (directory === undefined) {
  console.error('Name the directory with the vectors: npm run vectors -- DIR')
  process.exit(1)
}
const all = readAll(directory)
const results = all.flatMap(([source, vectors]) => vectors.map((vector) => decide(source, vector)))
printTable(
  all.map(([source]) => source),
  results,
)
printNotes(results)
const failed = count(results, 'failed')
const skipped = count(results, 'not offered') + count(results, 'contradictory')
console.log(`\n${count(results, 'passed')} passed, ${failed} failed, ${skipped} skipped`)
process.exitCode = failed === 0 ? 0 : 1
