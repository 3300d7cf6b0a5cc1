// One size in a process of its own, so that its memory is its own: prints what it measured as JSON.
import { randomBytes, randomFillSync } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { createContext, runInContext } from 'node:vm'
import { createRevocationState } from '../../packages/resource-server/src/verification/revocation-state.ts'
import { createRevocationTable } from '../../packages/resource-server/src/verification/revocation-table.ts'
import type { TableJob, TableMeasurement } from './table.ts'

/** Names in one pass. Their strings lie in a row, so the processor has them before they are asked about. */
const sampleSize = 65_536
const rounds = 25
/** So many are put in between two looks at the clock. */
const burst = 64
/** Names whose hits are measured, spread over all that were put in. */
const kept = 2 ** 17

setFlagsFromString('--expose-gc')
const collect = runInContext('gc', createContext()) as () => void

const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')
const random = Buffer.alloc(22 * sampleSize)

/** Names that nobody has heard of; in one piece each and in a row, as a parser makes them. */
function newNames(length: number, prefix = ''): readonly string[] {
  randomFillSync(random)
  for (let at = 0; at < random.length; at += 1) random[at] = alphabet[(random[at] as number) & 63] as number
  if (prefix !== '') for (let at = 0; at < sampleSize; at += 1) random.write(prefix, at * length, 'latin1')
  return Array.from({ length: sampleSize }, (_, at) => random.toString('latin1', at * length, at * length + length))
}

interface Holder {
  readonly add: (name: string) => void
  readonly has: (name: string) => boolean
  readonly bytes: () => number
}

function holderOf(kind: TableJob['kind']): Holder {
  if (kind === 'Set of strings') {
    const set = new Set<string>()
    return { add: (name) => void set.add(name), has: (name) => set.has(name), bytes: () => Number.NaN }
  }
  const table = createRevocationTable()
  return {
    add: (name) => void table.raise(1_800_000_000, name),
    has: (name) => table.find(name) >= 0,
    bytes: () => table.bytes,
  }
}

function measure({ kind, size }: TableJob): TableMeasurement {
  warmUp(kind)
  const sample = Buffer.alloc(kept * 16)
  let holder = holderOf(kind)
  const before = memory()
  let longest = 0
  const every = Math.max(1, Math.floor(size / kept))
  const bytes = Buffer.alloc(16 * 4_096)
  let buildMs = 0
  for (let done = 0; done < size; ) {
    randomFillSync(bytes)
    const names = Array.from({ length: Math.min(4_096, size - done) }, (_, at) =>
      bytes.toString('base64url', at * 16, at * 16 + 16),
    )
    const began = performance.now()
    for (let at = 0; at < names.length; at += burst) {
      const worked = busyMs()
      for (const name of names.slice(at, at + burst)) holder.add(name)
      longest = Math.max(longest, busyMs() - worked)
    }
    buildMs += performance.now() - began
    for (let at = 0; at < names.length; at += 1) {
      const index = Math.floor((done + at) / every)
      if ((done + at) % every === 0 && index < kept) bytes.copy(sample, index * 16, at * 16, at * 16 + 16)
    }
    done += names.length
  }
  const after = memory()
  const held = Math.min(kept, Math.ceil(size / every))
  const hitNames = (): string[] =>
    Array.from({ length: sampleSize }, () => {
      const at = Math.floor(Math.random() * held) * 16
      return sample.toString('base64url', at, at + 16)
    })
  const probes = {
    'miss, jti of 22': passes(holder, () => newNames(22), false),
    'miss, grant of 16': passes(holder, () => newNames(16), false),
    'miss, user_ and 16': passes(holder, () => newNames(21, 'user_'), false),
    'hit, jti of 22': passes(holder, hitNames, true),
  }
  const computed = holder.bytes() / size
  const sweepLongest = kind === 'table' ? sweepOf(size) : Number.NaN
  holder = holderOf(kind)
  return {
    kind,
    size,
    probes,
    buildMs,
    longestMs: longest,
    sweepMs: sweepLongest,
    computedBytes: computed,
    usedBytes: (after.used - before.used) / size,
    residentBytes: (after.resident - before.resident) / size,
    cachedNs: cachedHit(),
    memoryNs: randomRead(size * 20),
  }
}

/** CPU time of one look-up in ns, one a round. */
function passes(holder: Holder, names: () => readonly string[], isHit: boolean): number[] {
  const costs: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const each = names()
    let found = 0
    const began = process.cpuUsage()
    for (const name of each) found += holder.has(name) ? 1 : 0
    const { user, system } = process.cpuUsage(began)
    if (found !== (isHit ? each.length : 0)) throw new Error(`${found} of ${each.length} were found`)
    costs.push(((user + system) * 1_000) / each.length)
  }
  return costs
}

/** The longest step of forgetting as many entries, as a guard does it. */
function sweepOf(size: number): number {
  const [start, life] = [1_800_000_000, 300]
  const state = createRevocationState({ onlyIssuer: 'i', longestTokenLifeSeconds: life, clockToleranceSeconds: 10 })
  const bytes = randomBytes(16 * 4_096)
  for (let at = 0; at < size; at += 1) {
    if (at % 4_096 === 0) randomFillSync(bytes)
    const from = (at % 4_096) * 16
    state.add({ kind: 'grant', grantId: bytes.toString('base64url', from, from + 16) }, start + (at % 2))
  }
  let longest = 0
  for (let now = start + life + 10; state.size > 0; now += 0.02) {
    const worked = busyMs()
    state.sweep(now)
    longest = Math.max(longest, busyMs() - worked)
  }
  return longest
}

/** What a token costs that was found good at the number that still stands. */
function cachedHit(): number {
  const state = createRevocationState({ onlyIssuer: 'i', longestTokenLifeSeconds: 300, clockToleranceSeconds: 10 })
  state.add({ kind: 'all' }, 1_800_000_000)
  const entries = Array.from({ length: 1_024 }, () => ({ seq: state.seq }))
  const count = 2_000
  let best = Number.POSITIVE_INFINITY
  let good = 0
  for (let round = 0; round < rounds; round += 1) {
    const began = process.cpuUsage()
    for (let pass = 0; pass < count; pass += 1) for (const entry of entries) good += entry.seq === state.seq ? 1 : 0
    const { user, system } = process.cpuUsage(began)
    best = Math.min(best, ((user + system) * 1_000) / (count * entries.length))
  }
  return good > 0 ? best : Number.NaN
}

/** How long this machine, now, takes to read a word of a memory of that size that is not in a cache: the median. */
function randomRead(bytes: number): number {
  const lines = Math.ceil(bytes / 64)
  const order = Uint32Array.from({ length: lines }, (_, at) => at)
  for (let at = lines - 1; at > 0; at -= 1) {
    const other = Math.floor(Math.random() * at)
    const moved = order[at] as number
    order[at] = order[other] as number
    order[other] = moved
  }
  const words = new Int32Array(lines * 16)
  for (let at = 0; at < lines; at += 1) words[(order[at] as number) * 16] = (order[(at + 1) % lines] as number) * 16
  const costs: number[] = []
  let at = 0
  for (let round = 0; round < rounds; round += 1) {
    const began = process.cpuUsage()
    for (let step = 0; step < 100_000; step += 1) at = words[at] as number
    const { user, system } = process.cpuUsage(began)
    costs.push(((user + system) * 1_000) / 100_000)
  }
  return at < 0 ? Number.NaN : (costs.toSorted((a, b) => a - b)[rounds >> 1] as number)
}

/** So that compiled code and what belongs to it is in memory before the first measurement of memory. */
function warmUp(kind: TableJob['kind']): void {
  const holder = holderOf(kind)
  const names = [0, 1, 2].flatMap(() => newNames(22))
  for (const name of names) holder.add(name)
  for (let pass = 0; pass < 5; pass += 1) for (const name of names) holder.has(name)
}

interface Memory {
  /** Slots lie outside the heap, strings inside. */
  readonly used: number
  /** With what the allocator keeps for later. */
  readonly resident: number
}

function memory(): Memory {
  // What one collection finds is given back by the next.
  for (let pass = 0; pass < 3; pass += 1) collect()
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage()
  return { used: heapUsed + arrayBuffers, resident: rss }
}

/** What this thread worked so far, in ms: other processes do not count. */
function busyMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

process.stdout.write(JSON.stringify(measure(JSON.parse(process.argv[2] ?? '') as TableJob)))
