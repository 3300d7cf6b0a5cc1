import { createHash } from 'node:crypto'
import { createInflate } from 'node:zlib'
import type { RevocationSnapshot } from '@arctos/core'
import type { Revocation } from '../verification/revocation-state.ts'
import type { Trouble } from './trouble.ts'

/** What becomes of the lines of a snapshot. */
export interface SnapshotSink {
  readonly issuer: string
  /** Takes some entries at once; whoever gives them lets others have their turn in between. */
  apply(entries: readonly Revocation[]): void
  /** Counts a line that says nothing here. */
  ignored(why: 'line_unknown' | 'line_malformed'): void
}

const digestSlice = 1_024 * 1_024
/** What the body may grow to. */
const inflatedLimit = 512 * 1_024 * 1_024
const lineLimit = 8_192
/** So many lines are read before others have their turn: about a millisecond. */
const sliceLines = 500

/** Whether the body is the one that was signed. In slices, for it may be a hundred megabytes. */
export async function isBodyOf({ digest }: RevocationSnapshot, body: Uint8Array): Promise<boolean> {
  const hash = createHash('sha256')
  for (let at = 0; at < body.length; at += digestSlice) {
    hash.update(body.subarray(at, at + digestSlice))
    await othersTurn()
  }
  return hash.digest('base64url') === digest
}

/**
 * Inflates a body whose digest was right and applies its lines. It is inflated in the thread pool, a piece at a time, so that
 * neither its size nor what it grows to holds the event loop or the memory.
 */
export async function applySnapshot(
  { entries }: RevocationSnapshot,
  body: Uint8Array,
  sink: SnapshotSink,
): Promise<Trouble | undefined> {
  let count = 0
  let rest = ''
  let size = 0
  let slice: string[] = []
  const flush = async (): Promise<void> => {
    count += slice.length
    if (count <= entries) applyLines(slice, sink)
    slice = []
    await othersTurn()
  }
  try {
    const inflate = createInflate()
    inflate.end(body)
    inflate.setEncoding('utf8')
    for await (const chunk of inflate as AsyncIterable<string>) {
      size += chunk.length
      if (size > inflatedLimit) return refused('snapshot: too large')
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > lineLimit) return refused('snapshot: a line that does not end')
      for (const line of lines) {
        slice.push(line)
        if (slice.length === sliceLines) await flush()
        if (count > entries) return refused(`snapshot: more than ${entries} lines`)
      }
    }
  } catch (error) {
    if (!isInflateError(error)) throw error
    return refused('snapshot: not compressed as it should be')
  }
  if (rest !== '') slice.push(rest)
  await flush()
  return count === entries ? undefined : refused(`snapshot: ${count} of ${entries} lines`)
}

function refused(problem: string): Trouble {
  return { problem, reason: 'snapshot_body' }
}

function applyLines(lines: readonly string[], { issuer, apply, ignored }: SnapshotSink): void {
  const read: Revocation[] = []
  for (const line of lines) {
    const entry = readLine(line, issuer)
    if (typeof entry === 'string') ignored(entry)
    else read.push(entry)
  }
  apply(read)
}

function readLine(line: string, issuer: string): Revocation | 'line_unknown' | 'line_malformed' {
  const values = parseLine(line)
  const [kind, ...names] = values ?? []
  const time = names.pop()
  if (typeof kind !== 'string' || typeof time !== 'number' || !(time >= 0)) return 'line_malformed'
  if (!names.every((name) => typeof name === 'string' && name !== '')) return 'line_malformed'
  const [first = '', second = ''] = names as string[]
  const isWhole = (count: number) => names.length === count
  switch (kind) {
    case 't':
      return isWhole(1) ? { issuer, kind: 'token', jti: first, expiresAt: time } : 'line_malformed'
    case 'g':
      return isWhole(1) ? { issuer, kind: 'grant', grantId: first } : 'line_malformed'
    case 'm':
      return isWhole(1) ? { issuer, kind: 'grant', grantId: first, issuedBefore: time } : 'line_malformed'
    case 'p':
      return isWhole(2)
        ? { issuer, kind: 'subject at client', subject: first, clientId: second, issuedBefore: time }
        : 'line_malformed'
    case 's':
      return isWhole(1) ? { issuer, kind: 'subject', subject: first, issuedBefore: time } : 'line_malformed'
    case 'c':
      return isWhole(1) ? { issuer, kind: 'client', clientId: first, issuedBefore: time } : 'line_malformed'
    case 'a':
      return isWhole(1) ? { issuer, kind: 'actor', actor: first, issuedBefore: time } : 'line_malformed'
    case 'x':
      return isWhole(0) ? { issuer, kind: 'all', issuedBefore: time } : 'line_malformed'
    default:
      return 'line_unknown'
  }
}

function parseLine(line: string): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isInflateError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')
}

function othersTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
