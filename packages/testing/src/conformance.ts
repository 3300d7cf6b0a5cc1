import { type OpenTarget, openTarget, type SentRequest, type Target } from './asking.ts'
import type { TestAuthorizationServer } from './authorization-server.ts'
import { createForge, type Forge } from './forge.ts'
import type { GuardVector, VectorRoute } from './guard-vector.ts'
import { guardVectors } from './guard-vectors.ts'
import { type Judgement, judgeAnswer } from './judgement.ts'

export interface ConformanceOptions {
  /** The authorization server that the target trusts. */
  readonly as: TestAuthorizationServer
  /** The resource identifier of the target; by default the first resource of the server. */
  readonly resource?: string
  /**
   * Guarded routes, as method and path: `read`, `GET /items`; optionally `write`, which needs another scope, and `form`, which
   * takes POST and needs the scope of `read`. Vectors for a route that is not given are left out.
   */
  readonly routes: { readonly read: string; readonly write?: string; readonly form?: string }
  /** The scope words that the routes need; by default `read` and `write`. */
  readonly scopes?: { readonly read: string; readonly write: string }
  /**
   * Starts the target anew, for the vectors in which the keys cannot be loaded: a guard that has them already is right not to
   * care. Without it these vectors are left out.
   */
  readonly cold?: () => Started | Promise<Started>
  /**
   * Where the target learns the address of the keys: from the metadata of the issuer, by default; or it is configured with it, and
   * then the vectors in which the metadata is out of order are left out.
   */
  readonly keysFrom?: 'metadata' | 'configuration'
  /** Ask also the vectors in which our guard is stricter than the specifications demand. */
  readonly beyond?: boolean
  /** Which vectors; by default all. */
  readonly vectors?: readonly GuardVector[]
  /** Finds the reason of a refusal by the answer's headers, where the guard is ours. */
  readonly reasonOf?: (headers: Readonly<Record<string, string | undefined>>) => string | undefined
}

/** A target that was started for one question, and what ends it. */
export type Started = Target | { readonly target: Target; readonly close: () => unknown }

export interface ConformanceResult extends Judgement {
  readonly vector: GuardVector
}

export interface Conformance {
  readonly results: readonly ConformanceResult[]
  readonly passed: number
  readonly failed: number
  /** Vectors that need what was not given. */
  readonly leftOut: readonly GuardVector[]
  /** A line for each vector that failed, and one that counts. */
  readonly table: string
}

/** Asks one target one vector after the other. */
export interface VectorRunner {
  /** Whether the vector can be asked with what was given. */
  readonly canRun: (vector: GuardVector) => boolean
  readonly run: (vector: GuardVector) => Promise<Judgement>
  readonly close: () => Promise<void>
}

/** Prepares a target for the vectors, to run each as a test of its own. */
export async function vectorRunner(target: Target, options: ConformanceOptions): Promise<VectorRunner> {
  const { as, routes, cold, keysFrom, beyond = false, scopes = { read: 'read', write: 'write' } } = options
  checkRoutes(routes)
  const audience = options.resource
  const good = await as.accessToken({ audience, scope: scopes.read })
  const [, payload = ''] = good.split('.')
  const { aud } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { readonly aud: string }
  const forge: Forge = createForge({
    issuer: as.issuer,
    resource: audience ?? aud,
    good,
    key: as.signingKey(),
    scopes,
    now: as.clock.now,
  })

  // Last, when nothing can throw any more: a listener that nobody closes would keep the test run from ending.
  const opened = await openTarget(target)
  const requestTo = (vector: GuardVector): SentRequest => requestOf(vector, routes[vector.route] ?? '', forge)
  const insides = new Map<string, Promise<string>>()
  /** What the handler of a route shows to a token that may see it; asked once. */
  const insideOf = (route: VectorRoute): Promise<string> => {
    const [method = 'GET', path = '/'] = (routes[route] ?? '').split(' ')
    const token = forge.token({ scope: `${scopes.read} ${scopes.write}` })
    const asked =
      insides.get(route) ??
      opened
        .ask({ method, path, authorization: [`Bearer ${token}`] })
        .then(({ status, body }) => (status < 300 ? body : ''))
    insides.set(route, asked)
    return asked
  }

  const askAt = async ({ ask }: OpenTarget, vector: GuardVector): Promise<Judgement> => {
    const sent = requestTo(vector)
    const answer = await ask(sent)
    return judgeAnswer(vector, sent, answer, {
      scope: vector.route === 'write' ? scopes.write : scopes.read,
      reason: options.reasonOf?.(answer.headers),
      inside: await insideOf(vector.route),
      isTrapped: as.requests.some((path) => path.includes('/trap/') && path.includes(`/${vector.id}`)),
    })
  }

  return {
    canRun({ route, outage, beyond: goesBeyond = false }) {
      if (goesBeyond && !beyond) return false
      if (routes[route] === undefined) return false
      if (outage === undefined) return true
      return cold !== undefined && !(outage.of === 'metadata' && keysFrom === 'configuration')
    },
    async run(vector) {
      if (vector.outage === undefined || cold === undefined) return askAt(opened, vector)
      const restore = as.outage(vector.outage.of, vector.outage.how)
      const started = await cold()
      const isWrapped = typeof started === 'object' && 'target' in started
      const fresh = await openTarget(isWrapped ? started.target : started)
      try {
        return await askAt(fresh, vector)
      } finally {
        await fresh.close()
        if (isWrapped) await started.close()
        restore()
      }
    },
    close: opened.close,
  }
}

function checkRoutes(routes: ConformanceOptions['routes'] | undefined): void {
  if (routes?.read === undefined)
    throw new TypeError("conformance: routes.read is missing; allowed is one like 'GET /items'")
  for (const [name, route] of Object.entries(routes)) {
    if (route === undefined || /^[A-Z]+ \//.test(route)) continue
    throw new TypeError(`conformance: routes.${name} is ${JSON.stringify(route)}; allowed is one like 'GET /items'`)
  }
}

// A guard lets tokens of unknown keys wait for their turn to ask the issuer: together they wait once.
const width = 64

/** Asks a target all vectors that it can be asked, and judges the answers. */
export async function conformance(target: Target, options: ConformanceOptions): Promise<Conformance> {
  const { vectors = guardVectors } = options
  const runner = await vectorRunner(target, options)
  const wanted = vectors.filter(runner.canRun)
  const judgements = new Map<GuardVector, Judgement>()
  try {
    const queue = wanted.filter(({ outage }) => outage === undefined)
    const work = async (): Promise<void> => {
      for (let vector = queue.shift(); vector !== undefined; vector = queue.shift()) {
        judgements.set(vector, await judged(runner, vector))
      }
    }
    await Promise.all(Array.from({ length: width }, work))
    for (const vector of wanted.filter(({ outage }) => outage !== undefined)) {
      judgements.set(vector, await judged(runner, vector))
    }
  } finally {
    await runner.close()
  }
  const results = wanted.map((vector) => ({ vector, ...(judgements.get(vector) as Judgement) }))
  const failures = results.filter(({ passed }) => !passed)
  return {
    results,
    passed: results.length - failures.length,
    failed: failures.length,
    leftOut: vectors.filter((vector) => !runner.canRun(vector)),
    table: formatTable(failures, results.length),
  }
}

/** A target that breaks the connection has answered wrong, and the others are asked all the same. */
async function judged(runner: VectorRunner, vector: GuardVector): Promise<Judgement> {
  try {
    return await runner.run(vector)
  } catch (error) {
    const received = `no answer: ${error instanceof Error ? error.message : 'an unknown failure'}`
    return { passed: false, expected: String(vector.expected.status), received }
  }
}

function requestOf(vector: GuardVector, route: string, forge: Forge): SentRequest {
  const [method = 'GET', plainPath = '/'] = route.split(' ')
  const {
    authorization = [],
    headers = {},
    query = '',
    body,
    unfinished,
    path = (same: string) => same,
  } = vector.request(forge)
  return { method: vector.method ?? method, path: path(plainPath) + query, authorization, headers, body, unfinished }
}

function formatTable(failures: readonly ConformanceResult[], count: number): string {
  const lines = failures.map(
    ({ vector, expected, received }) => `${vector.id}: ${vector.title}\n  expected ${expected}\n  received ${received}`,
  )
  return [...lines, `${count - failures.length} of ${count} right`].join('\n')
}
