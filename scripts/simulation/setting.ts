/** What is simulated. Times in milliseconds. */
export interface Setting {
  readonly seed: number
  readonly guards: number
  readonly hours: number
  /** Of the guards, how many run the real code; the others are the model of it. */
  readonly realGuards: number
  /** What is broken on purpose, to see that it is found. */
  readonly bug: Bug | undefined
}

export const bugs = [
  'node answers from memory',
  'guard begins without a snapshot',
  'age counts from the answer',
] as const
export type Bug = (typeof bugs)[number]

/** A fleet of 10^4 guards for 10^9 tokens a day, one token in a thousand taken back; a smaller fleet has its share. */
export const fleet = {
  guards: 10_000,
  tokensADay: 1e9,
  takenBackShare: 1e-3,
  /** Guards of one resource; each is told what concerns its resource. */
  replicas: 10,
  /** Of what is taken back, what concerns all resources: a subject, a client. */
  everywhereShare: 2e-3,
  longestTokenLifeSeconds: 3_600,
  clockToleranceSeconds: 10,
}

const dayMs = 86_400_000
const perMs = (fleet.tokensADay * fleet.takenBackShare) / dayMs

/** Entries in a millisecond that concern one resource alone, and that concern all. */
export const rates = {
  own: (perMs * (1 - fleet.everywhereShare)) / (fleet.guards / fleet.replicas),
  everywhere: perMs * fleet.everywhereShare,
}

/** The issuer's side, as it is built: a look every 20 ms, polls held for 2 s, readings older than a second say nothing. */
export const publisher = {
  nodes: 3,
  lookMs: 20,
  holdMs: 2_000,
  staleReadingMs: 1_000,
  /** From commit to number, and from the hint to what another node sees. */
  numberMs: [1, 4],
  hintMs: [0.5, 2],
  hintLoss: 0.02,
  answerMs: [1, 3],
  crashEveryMs: 20 * 60_000,
  crashForMs: 10_000,
  failoverEveryMs: 30 * 60_000,
  failoverForMs: 4_000,
  /** Of failovers, those that begin another epoch. */
  epochShare: 0.3,
} as const

/** The guard's side, as it is built. */
export const receiver = {
  timeoutMs: publisher.holdMs + 2_000,
  staleAfterMs: 5_000,
  unavailableAfterMs: 60_000,
  /** Where nothing is out of order, an acknowledged entry is in force after so long. */
  freshMs: 1_000,
  restartEveryMs: 6 * 3_600_000,
  downMs: 3_000,
} as const

/** The way between them. A lost packet comes again after 200, 400, 800 ms; a partition loses everything. */
export const link = {
  medianMs: 8,
  spread: 0.8,
  jitterMs: 2,
  packetLoss: 0.01,
  retransmitMs: 200,
  messageLoss: 1e-4,
  acknowledgementLoss: 1e-3,
  disorder: 0.05,
  partitionEveryMs: 2 * 3_600_000,
  partitionForMs: 20_000,
  /** A message that takes longer was held up. */
  slowMs: 250,
} as const
