import type { Lifetimes, Peer, ServerContext } from './context.ts'
import { createRouter } from './endpoints/router.ts'
import { createFeed, type FeedTimes } from './feed/feed.ts'
import { createSequencer } from './feed/sequencer.ts'
import { createExchangeLimit } from './grant-types/exchange-limit.ts'
import { checkIssuer, isLoopbackIssuer } from './issuer.ts'
import { type Journal, silentJournal } from './journal.ts'
import type { KeyEncryptionKey } from './keys/key-encryption.ts'
import { type KeyRing, openKeyRing } from './keys/key-ring.ts'
import type { SigningAlgorithm } from './keys/signing-key.ts'
import { createLeakDesk } from './leaks/leak-desk.ts'
import type { LeakReporter, LeakWebhook } from './leaks/reporter.ts'
import { createLeakSender } from './leaks/webhook.ts'
import type { Answer, ProgramRequest } from './message.ts'
import { createReceipts } from './receipts.ts'
import { createSecretUses } from './secret-uses.ts'
import { createStatusLists, type StatusLists, statusListDraft } from './status-lists/status-lists.ts'
import { createRandom, type Store } from './store/store.ts'
import { createAccessTokenWriter } from './tokens/access-token.ts'
import { startUpkeep } from './upkeep.ts'

export interface AuthorizationServerOptions {
  /** The issuer identifier: https, or http on loopback; no trailing slash, query or fragment (RFC 8414 §2). */
  readonly issuer: string
  /** An opened and migrated store. */
  readonly store: Store
  /** 32 bytes that seal the keys in the store. */
  readonly kek: KeyEncryptionKey
  readonly signingAlgorithm?: SigningAlgorithm
  readonly lifetimes?: Partial<Lifetimes>
  /** End a refresh family when three generations running were retried; else that raises an alarm only. */
  readonly endReplayStreaks?: boolean
  /** Identifier of the registered resource that requests without `resource` mean; else the first one registered. */
  readonly defaultResource?: string | undefined
  readonly journal?: Journal
  /** Epoch milliseconds; only tests give it. */
  readonly now?: () => number
  /** Who may report leaked secrets, at `/leaks`; nobody by default. */
  readonly leakReporters?: readonly LeakReporter[] | undefined
  /** Where leaks that were taken back are told. */
  readonly leakWebhook?: LeakWebhook | undefined
  /** How long polls are held, and when events are pushed; only tests give it. */
  readonly feedTimes?: Partial<FeedTimes> | undefined
  /** The operator's word that the database survives the loss of this machine. */
  readonly durableStorage?: boolean
  /** Drafts, each by the number that is implemented: another number may be something else. */
  readonly experimental?: Experiments | undefined
}

export interface Experiments {
  /** Token Status List, draft-ietf-oauth-status-list-21: what was taken back, for guards that know nothing of our feed. */
  readonly tokenStatusList?: typeof statusListDraft | undefined
  /** How old a status list may become before it is signed anew, and so how late a guard may learn of something: 5 to 3,600, by default 30. */
  readonly statusListTtlSeconds?: number | undefined
}

export interface AuthorizationServer {
  readonly context: ServerContext
  /**
   * Answers one request.
   *
   * @param target path and query as they came on the wire; taken from the request's URL where there is no wire
   */
  readonly handle: (request: Request, peer: Peer, target?: string) => Response | Promise<Response>
  /** Answers a request to an endpoint for programs, without Fetch objects; `undefined` where the target is another's. */
  readonly answerProgram: (request: ProgramRequest, peer: Peer, target: string) => Answer | Promise<Answer> | undefined
  /** Starts the work that no request does: keys, audit numbers, purging. Returns what ends it. */
  readonly startUpkeep: () => () => Promise<void>
}

const defaultLifetimes: Lifetimes = {
  sessionSeconds: 12 * 3_600,
  refreshIdleSeconds: 14 * 86_400,
  refreshAbsoluteSeconds: 90 * 86_400,
  retryWindowSeconds: 30,
}

/** Puts an authorization server together from its parts. */
export async function createAuthorizationServer(options: AuthorizationServerOptions): Promise<AuthorizationServer> {
  const { issuer, store, kek, signingAlgorithm = 'ES256', journal = silentJournal, now = Date.now } = options
  checkIssuer(issuer)
  const random = createRandom()
  const keys = await openKeyRing({ store, issuer, kek, signingAlgorithm, random, now })
  const { leakReporters = [], leakWebhook } = options
  const monotonic = (): number => performance.now()
  const statusLists = openStatusLists(options, keys, random, now)
  const sequencer = createSequencer(store)
  const context: ServerContext = {
    issuer,
    store,
    sequencer,
    feed: createFeed({ issuer, store, keys, sequencer, journal, now, random, times: options.feedTimes }),
    keys,
    receipts: createReceipts(keys, random, now),
    journal,
    writeAccessToken: createAccessTokenWriter(issuer, keys, statusLists?.uriOf),
    statusLists,
    leakDesk: leakReporters.length === 0 ? undefined : createLeakDesk(leakReporters, monotonic),
    leakSender: leakWebhook && createLeakSender({ store, issuer, now }, leakWebhook),
    secretUses: createSecretUses(store),
    exchangeLimit: createExchangeLimit(now),
    lifetimes: { ...defaultLifetimes, ...options.lifetimes },
    endReplayStreaks: options.endReplayStreaks ?? false,
    defaultResource: options.defaultResource,
    now,
    random,
    secureCookies: !isLoopbackIssuer(issuer),
    readiness: async () => {
      try {
        const local = (await store.durability()) === 'local'
        const warnings = local && options.durableStorage !== true ? ['commits are on one machine only'] : []
        await store.listResources(undefined)
        return { ready: true, warnings }
      } catch {
        return { ready: false, warnings: ['the store does not answer'] }
      }
    },
  }
  const { handle, answerProgram } = createRouter(context)
  return {
    context,
    handle: (request, peer, target = targetOf(request)) => handle(request, peer, target),
    answerProgram,
    startUpkeep: () => startUpkeep(context),
  }
}

function openStatusLists(
  { issuer, store, kek, lifetimes, experimental = {} }: AuthorizationServerOptions,
  keys: KeyRing,
  random: (byteLength: number) => Buffer,
  now: () => number,
): StatusLists | undefined {
  const { tokenStatusList, statusListTtlSeconds: ttlSeconds = 30 } = experimental
  if (tokenStatusList === undefined) return undefined
  if (tokenStatusList !== statusListDraft)
    throw new TypeError(`experimental.tokenStatusList is not ${statusListDraft}, the only one there is`)
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 5 || ttlSeconds > 3_600)
    throw new TypeError('experimental.statusListTtlSeconds is no whole number from 5 to 3600')
  const { refreshAbsoluteSeconds } = { ...defaultLifetimes, ...lifetimes }
  return createStatusLists({ issuer, store, kek, keys, random, now, refreshAbsoluteSeconds, ttlSeconds })
}

function targetOf(request: Request): string {
  const { pathname, search } = new URL(request.url)
  return pathname + search
}
