import { setImmediate as nextTurn } from 'node:timers/promises'
import { looksLikeCredential } from '@arctos/core'
import type { Initiator } from '../store/revocation-entry.ts'
import type { Store } from '../store/store.ts'
import { type LeakQuestion, leakQuestionLimit } from '../store/verbs/leak-search.ts'
import type { EndedLeak, Leak, LeakTarget } from '../store/verbs/leaks.ts'
import { type FoundSecret, readFoundSecret, type SecretReading } from './found-secret.ts'

/** A secret that somebody found, and where. */
export interface ReportedLeak {
  readonly token: string
  readonly url?: string | undefined
  readonly source?: string | undefined
}

/** What somebody reports. */
export interface LeakReport {
  /** Who says so; the audit log names it. */
  readonly reporter: string
  readonly initiator: Initiator
  readonly reported: readonly ReportedLeak[]
}

/** What a report led to. The numbers add up to that of what was reported. */
export interface LeakResult {
  readonly ended: readonly EndedLeak[]
  readonly counts: Readonly<Record<LeakCount, number>>
}

/**
 * `ended`: by this report; `dead`: it had ended before, or runs out by itself; `unknown`: well-formed, and not made here; `checksum`: it
 * only begins like one of ours; `unrecognised`: neither an Arctos secret nor a JWT of this server; `repeated`: twice in one report.
 */
export type LeakCount = 'ended' | 'dead' | 'unknown' | 'checksum' | 'unrecognised' | 'repeated'

/** Signatures and tags hold the event loop this long at a time (milliseconds). */
const loopBudgetMs = 4
/** Leaks that one change ends, and those that may be in one turn's transaction: it holds the event loop while it runs. */
const leaksTogether = 16
const leaksInFlight = 4 * leaksTogether

/**
 * Takes back what was reported, in bulk: what nobody made is turned away without a look-up, what the store has to place is looked up
 * together, known or not, and only what is live is changed. To report it again changes nothing.
 */
export async function takeBackLeaked(
  store: Store,
  reading: SecretReading,
  { reporter, initiator, reported }: LeakReport,
): Promise<LeakResult> {
  const unique = new Map<string, ReportedLeak>()
  for (const each of reported) if (!unique.has(each.token)) unique.set(each.token, each)
  const counts = {
    ended: 0,
    dead: 0,
    unknown: 0,
    checksum: 0,
    unrecognised: 0,
    repeated: reported.length - unique.size,
  }

  const read = await readAll([...unique.values()], reading)
  const answers = await findAll(
    store,
    read.map(({ found }) => found),
  )
  const leaks: Leak[] = []
  for (const { found, reported: leak } of read) {
    if (found.found === 'nothing') {
      counts[found.why === 'expired' ? 'dead' : found.why]++
      continue
    }
    const target = found.found === 'target' ? found.target : answers.get(found.question.key)
    if (target === undefined) counts.unknown++
    else leaks.push({ target, secret: found.secret, url: placeOf(leak.url, 2_000), source: placeOf(leak.source, 100) })
  }

  const outcomes: (EndedLeak | undefined)[] = []
  for (let at = 0; at < leaks.length; at += leaksInFlight) {
    const pages: Leak[][] = []
    for (let page = at; page < Math.min(at + leaksInFlight, leaks.length); page += leaksTogether)
      pages.push(leaks.slice(page, page + leaksTogether))
    const done = await Promise.all(pages.map((page) => store.revokeLeaked({ leaks: page, reporter, initiator })))
    outcomes.push(...done.flat())
  }
  const ended = outcomes.filter((outcome) => outcome !== undefined)
  return { ended, counts: { ...counts, ended: ended.length, dead: counts.dead + leaks.length - ended.length } }
}

interface Read {
  readonly found: FoundSecret
  readonly reported: ReportedLeak
}

async function readAll(all: readonly ReportedLeak[], reading: SecretReading): Promise<readonly Read[]> {
  const read: Read[] = []
  let until = performance.now() + loopBudgetMs
  for (const reported of all) {
    read.push({ found: readFoundSecret(reported.token, reading), reported })
    if (performance.now() < until) continue
    await nextTurn()
    until = performance.now() + loopBudgetMs
  }
  return read
}

/** What the store knows of all these, by their keys. */
async function findAll(store: Store, all: readonly FoundSecret[]): Promise<ReadonlyMap<string, LeakTarget>> {
  const questions = all.flatMap((each) => (each.found === 'question' ? [each.question] : []))
  const clientSecrets = questions.filter(({ kind }) => kind === 'clientSecret').map(({ key }) => key)
  const others = questions.filter((question): question is LeakQuestion => question.kind !== 'clientSecret')
  const found = new Map<string, LeakTarget>()
  const add = (more: ReadonlyMap<string, LeakTarget>): void => {
    for (const [key, target] of more) found.set(key, target)
  }
  // Every client is looked at, once, however many are asked for; between the pages others have their turn.
  for (let after: string | undefined = clientSecrets.length > 0 ? '' : undefined; after !== undefined; ) {
    const page: Awaited<ReturnType<Store['findClientSecrets']>> = await store.findClientSecrets({
      hashes: clientSecrets,
      after,
    })
    add(page.found)
    after = page.next
    await nextTurn()
  }
  for (let at = 0; at < others.length; at += leakQuestionLimit) {
    add(await store.findLeaked(others.slice(at, at + leakQuestionLimit)))
    await nextTurn()
  }
  return found
}

/** Where it was found, as it may be written down: one line, no longer than this, and without a secret in it. */
function placeOf(text: string | undefined, limit: number): string | undefined {
  if (text === undefined || text === '') return undefined
  const line = text.replace(/\p{C}/gu, '?').slice(0, limit)
  return looksLikeCredential(line) || holdsJwt(line) ? '[redacted]' : line
}

/** Three long words between dots. A JWT may stand right behind another word, where nothing tells where it begins. */
const jwtShaped = /(?<![\w-])[\w-]{20,}\.[\w-]{20,}\.[\w-]{20,}/

function holdsJwt(line: string): boolean {
  return line.includes('eyJ') && jwtShaped.test(line)
}
