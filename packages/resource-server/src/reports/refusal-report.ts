import { randomBytes } from 'node:crypto'
import {
  type Explanation,
  explainRefusal,
  type Facts,
  isJsonObject,
  isReason,
  parseJsonObjectText,
  type ReceiptContent,
  type Refusal,
  readNumber,
  readString,
} from '@arctos/core'
import { type GuardRequest, pathOf } from '../request/guard-request.ts'
import { withoutCredentials } from './redaction.ts'

/** One refusal, told to the operator. */
export interface RefusalReport extends Explanation {
  /** Finds this explanation again; none for a request without credentials, whose answer carries none. */
  readonly receipt: string | undefined
  /** Epoch seconds. */
  readonly at: number
  readonly method: string
  /** Without the query, in which a credential may stand. */
  readonly path: string
}

/** Writes refusals down for the operator, and gives each its receipt. */
export interface RefusalReporter {
  /** @param owner the client that the token names, when the token is proven */
  report(refusal: Refusal, owner: string | undefined, request: GuardRequest, fault?: unknown): string | undefined
  /** What a receipt of this guard stands for, while it is among the last 1,000. */
  find(receipt: string): RefusalReport | undefined
}

export interface RefusalReporterOptions {
  readonly resource: string
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly seal: ((content: ReceiptContent) => string | undefined) | undefined
  readonly onRefusal: ((refusal: RefusalReport) => void) | undefined
  readonly journal: ((line: string) => void) | undefined
}

const remembered = 1_000

export function createRefusalReporter(options: RefusalReporterOptions): RefusalReporter {
  const { resource, now, seal, onRefusal } = options
  const reports = new Map<string, RefusalReport>()
  const write = options.journal ?? ((line: string) => void process.stderr.write(`${line}\n`))

  let isTold = false
  /** What the operator's own functions throw must not decide about a request: it is told once, and the answer stands. */
  const tell = (error: unknown): void => {
    if (isTold) return
    isTold = true
    process.stderr.write(`arctos: reporting a refusal failed: ${describeFault(error)}\n`)
  }
  const attempt = <Result>(work: () => Result): Result | undefined => {
    try {
      const result = work()
      if (result instanceof Promise) result.catch(tell)
      return result
    } catch (error) {
      tell(error)
      return undefined
    }
  }

  const remember = (receipt: string, report: RefusalReport): void => {
    reports.set(receipt, report)
    if (reports.size <= remembered) return
    const [oldest] = reports.keys()
    if (oldest !== undefined) reports.delete(oldest)
  }

  return {
    report({ reason, facts }, owner, request, fault) {
      const at = Math.floor(now() / 1_000)
      const content = { at, reason, facts, owner, audience: resource }
      const isBare = reason === 'credentials.missing'
      const sealed = isBare ? undefined : attempt(() => seal?.(content))
      const receipt = isBare ? undefined : (sealed ?? randomBytes(12).toString('base64url'))
      const method = withoutCredentials(request.method.slice(0, 200)).slice(0, 20)
      const path = withoutCredentials(pathOf(request.url).slice(0, 2_000)).slice(0, 200)
      const report = { ...explainRefusal(reason, facts), receipt, at, method, path }
      if (receipt !== undefined && sealed === undefined) remember(receipt, report)
      if (receipt !== undefined && (sealed === undefined || options.journal !== undefined || fault !== undefined)) {
        attempt(() =>
          write(JSON.stringify({ event: 'refusal', receipt, ...content, method, path, fault: describeFault(fault) })),
        )
      }
      attempt(() => onRefusal?.(report))
      return receipt
    },
    find: (receipt) => reports.get(receipt),
  }
}

function describeFault(fault: unknown): string | undefined {
  if (fault === undefined) return undefined
  // The message may repeat what was sent.
  return fault instanceof Error
    ? withoutCredentials(fault.stack?.slice(0, 20_000) ?? fault.name).slice(0, 2_000)
    : typeof fault
}

/** What one line of a guard's journal says; `undefined` for a line that is none. */
export function readJournalLine(line: string): RefusalReport | undefined {
  const entry = parseJsonObjectText(line)
  const reason = entry === undefined ? undefined : readString(entry, 'reason')
  if (entry === undefined || readString(entry, 'event') !== 'refusal') return undefined
  if (reason === undefined || !isReason(reason)) return undefined
  return {
    ...explainRefusal(reason, readFacts(entry['facts'])),
    receipt: readString(entry, 'receipt'),
    at: readNumber(entry, 'at') ?? 0,
    method: readString(entry, 'method') ?? '',
    path: readString(entry, 'path') ?? '',
  }
}

function readFacts(value: unknown): Facts {
  if (!isJsonObject(value)) return {}
  const facts: Record<string, string | number | boolean> = {}
  for (const [name, fact] of Object.entries(value)) {
    if (typeof fact === 'string' || typeof fact === 'number' || typeof fact === 'boolean') facts[name] = fact
  }
  return facts
}
