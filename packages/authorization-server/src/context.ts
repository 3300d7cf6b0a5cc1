import type { Feed } from './feed/feed.ts'
import type { Sequencer } from './feed/sequencer.ts'
import type { ExchangeLimit } from './grant-types/exchange-limit.ts'
import type { Journal } from './journal.ts'
import type { KeyRing } from './keys/key-ring.ts'
import type { LeakDesk } from './leaks/leak-desk.ts'
import type { LeakSender } from './leaks/webhook.ts'
import type { Receipts } from './receipts.ts'
import type { SecretUses } from './secret-uses.ts'
import type { StatusLists } from './status-lists/status-lists.ts'
import type { Store } from './store/store.ts'
import type { AccessTokenWriter } from './tokens/access-token.ts'

/** Everything that endpoints and grant types use, put together once when the server starts. Nothing writes into it. */
export interface ServerContext {
  /** The issuer identifier; every address that we tell comes from it, never from a request (RFC 8414 §2). */
  readonly issuer: string
  readonly store: Store
  /** Says where the feed of what was taken back stands; looks by itself once upkeep has started. */
  readonly sequencer: Sequencer
  /** Tells what was taken back to whoever guards with it. */
  readonly feed: Feed
  readonly keys: KeyRing
  readonly receipts: Receipts
  readonly journal: Journal
  readonly writeAccessToken: AccessTokenWriter
  /** Who may report leaked secrets; absent where nobody may. */
  readonly leakDesk?: LeakDesk | undefined
  /** Tells somebody of leaks; absent where nobody wants to know. */
  readonly leakSender?: LeakSender | undefined
  /** When secrets of clients and keys were used. */
  readonly secretUses: SecretUses
  readonly exchangeLimit: ExchangeLimit
  /** Token Status List, an experiment; `undefined` where it is off. */
  readonly statusLists: StatusLists | undefined
  readonly lifetimes: Lifetimes
  /** Whether a family ends when three generations running were retried, instead of raising an alarm only (PROTOCOL §2). */
  readonly endReplayStreaks: boolean
  /** The audience of requests that name no resource; else the first one registered. */
  readonly defaultResource: string | undefined
  /** Epoch milliseconds of this machine, for assertions and journals; state that nodes share uses the store's clock. */
  readonly now: () => number
  readonly random: (byteLength: number) => Buffer
  /** Off on http loopback only, where browsers and tools drop such cookies. */
  readonly secureCookies: boolean
  /** `ready` for /ready, or why not. */
  readonly readiness: () => Promise<Readiness>
}

export interface Readiness {
  readonly ready: boolean
  readonly warnings: readonly string[]
}

/** Lives of what users are given, in seconds. */
export interface Lifetimes {
  readonly sessionSeconds: number
  readonly refreshIdleSeconds: number
  readonly refreshAbsoluteSeconds: number
  /** How long a public client may retry a refresh whose answer it lost; 0 is strict (PROTOCOL §2). */
  readonly retryWindowSeconds: number
}

/** Who is at the other end, as far as the connection (or a listed proxy) tells. */
export interface Peer {
  readonly address: string
}
