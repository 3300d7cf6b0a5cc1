// The load as a process of its own, on a core of its own: takes jobs over its channel, one at a time.

import { type CaseName, type Chain, type FloorName, readKeys, startChain } from './cases.ts'
import { type Connection, openConnection } from './connection.ts'
import { cpuSeconds } from './cpu.ts'
import type { Target } from './setting.ts'

export interface Job {
  readonly name: CaseName | FloorName
  readonly target: Target
  /** The server's process, whose CPU time is read. */
  readonly pid: number
  readonly connections: number
  /** One code for each connection, for the chains that begin with one. */
  readonly codes: readonly string[]
  readonly warmSeconds: number
  readonly seconds: number
}

export interface Measurement {
  readonly requests: number
  /** Answers that were wrong, while warming up too. */
  readonly bad: number
  /** What was wrong with the first one. */
  readonly complaint: string | undefined
  readonly seconds: number
  readonly serverCpuSeconds: number
  /** The same while warming up: of a server that was just started, what it costs cold. */
  readonly warming: { readonly requests: number; readonly serverCpuSeconds: number }
  /** Latencies in milliseconds. */
  readonly p50: number
  readonly p99: number
}

process.on('message', (job: Job) => {
  run(job).then(
    (measurement) => process.send?.({ measurement }),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})
process.on('disconnect', () => process.exit())

async function run(job: Job): Promise<Measurement> {
  const keys = await readKeys(job.target)
  const counts = { warmingRequests: 0, requests: 0, bad: 0, complaint: undefined as string | undefined }
  const latencies: number[] = []
  let phase: 'warming' | 'measuring' | 'over' = 'warming'

  const work = async (connection: Connection, chain: Chain): Promise<void> => {
    while (phase !== 'over') {
      const started = performance.now()
      const { status, body } = await connection.send(chain.next())
      const complaint = status === 200 ? chain.take(body) : `${status} ${body}`
      if (complaint !== undefined) {
        counts.bad += 1
        counts.complaint ??= complaint.slice(0, 200)
      }
      if (phase === 'warming') counts.warmingRequests += 1
      if (phase === 'measuring') {
        counts.requests += 1
        latencies.push(performance.now() - started)
      }
    }
  }

  const connections = await Promise.all(Array.from({ length: job.connections }, () => openConnection(job.target.port)))
  try {
    const chains = await Promise.all(
      connections.map((each, index) => startChain(job.name, each, job.target, keys, job.codes[index] ?? '')),
    )
    const coldCpu = cpuSeconds(job.pid)
    const working = Promise.all(connections.map((each, index) => work(each, chains[index] as Chain)))
    await Promise.race([working, pause(job.warmSeconds)])
    const cpu = cpuSeconds(job.pid)
    const started = performance.now()
    phase = 'measuring'
    await Promise.race([working, pause(job.seconds)])
    phase = 'over'
    const { requests } = counts
    const seconds = (performance.now() - started) / 1000
    const serverCpuSeconds = cpuSeconds(job.pid) - cpu
    await working
    latencies.sort((a, b) => a - b)
    const quantile = (part: number): number => latencies[Math.floor(part * (latencies.length - 1))] ?? Number.NaN
    return {
      requests,
      bad: counts.bad,
      complaint: counts.complaint,
      seconds,
      serverCpuSeconds,
      warming: { requests: counts.warmingRequests, serverCpuSeconds: cpu - coldCpu },
      p50: quantile(0.5),
      p99: quantile(0.99),
    }
  } finally {
    for (const connection of connections) connection.close()
  }
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000))
}
