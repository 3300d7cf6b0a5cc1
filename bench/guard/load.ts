// The load as a process of its own, on a core of its own: takes jobs over its channel, one at a time.
import { type Connection, openConnection } from '../token/connection.ts'
import { cpuSeconds } from '../token/cpu.ts'

export interface GuardJob {
  readonly port: number
  /** The server's process, whose CPU time is read. */
  readonly pid: number
  /** Sent in turn; each must be answered with 200. */
  readonly requests: readonly string[]
  readonly connections: number
  readonly warmSeconds: number
  /** How long is measured: so many seconds, or until the crowd is done. */
  readonly seconds: number
  /** Requests of others at the same time, sent in turn over connections of their own, whatever is answered. */
  readonly crowd?: { readonly requests: readonly string[]; readonly count: number; readonly connections: number }
}

export interface GuardMeasurement {
  readonly requests: number
  /** Answers that were not 200, while warming up too. */
  readonly bad: number
  readonly complaint: string | undefined
  readonly seconds: number
  readonly serverCpuSeconds: number
  /** Latencies in milliseconds. */
  readonly p50: number
  readonly p99: number
}

/** A crowd that waits for an answer longer than this is left waiting. */
const crowdSeconds = 60

process.on('message', (job: GuardJob) => {
  run(job).then(
    (measurement) => process.send?.({ measurement }),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})
process.on('disconnect', () => process.exit())

async function run(job: GuardJob): Promise<GuardMeasurement> {
  const counts = { requests: 0, bad: 0, complaint: undefined as string | undefined }
  const latencies: number[] = []
  let phase: 'warming' | 'measuring' | 'over' = 'warming'
  let turn = 0
  const work = async (connection: Connection): Promise<void> => {
    while (phase !== 'over') {
      const request = job.requests[turn++ % job.requests.length] as string
      const started = performance.now()
      const { status, body } = await connection.send(request)
      if (status !== 200) {
        counts.bad += 1
        counts.complaint ??= `${status} ${body.slice(0, 200)}`
      }
      if (phase === 'measuring') {
        counts.requests += 1
        latencies.push(performance.now() - started)
      }
    }
  }
  const connections = await openSeveral(job.port, job.connections)
  try {
    const working = Promise.all(connections.map(work))
    await Promise.race([working, pause(job.warmSeconds)])
    const cpu = cpuSeconds(job.pid)
    const started = performance.now()
    phase = 'measuring'
    await Promise.race([
      working,
      job.crowd === undefined ? pause(job.seconds) : Promise.race([sendCrowd(job), pause(crowdSeconds)]),
    ])
    phase = 'over'
    const { requests } = counts
    const seconds = (performance.now() - started) / 1000
    const serverCpuSeconds = cpuSeconds(job.pid) - cpu
    await working
    latencies.sort((a, b) => a - b)
    const quantile = (part: number): number => latencies[Math.floor(part * (latencies.length - 1))] ?? Number.NaN
    return { ...counts, requests, seconds, serverCpuSeconds, p50: quantile(0.5), p99: quantile(0.99) }
  } finally {
    for (const connection of connections) connection.close()
  }
}

async function sendCrowd({ port, crowd }: GuardJob): Promise<void> {
  if (crowd === undefined) return
  let sent = 0
  const work = async (): Promise<void> => {
    let [connection] = await openSeveral(port, 1)
    while (sent < crowd.count) {
      const request = crowd.requests[sent++ % crowd.requests.length] as string
      try {
        await connection?.send(request)
      } catch {
        // Some are answered by the end of the connection.
        connection?.close()
        connection = (await openSeveral(port, 1))[0]
      }
    }
    connection?.close()
  }
  await Promise.all(Array.from({ length: crowd.connections }, work))
}

function openSeveral(port: number, count: number): Promise<Connection[]> {
  return Promise.all(Array.from({ length: count }, () => openConnection(port)))
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000))
}
