import { randomBytes } from 'node:crypto'
import type { SecretEnvironment } from '@arctos/core'
import type { Change, Engine, Read } from './engine.ts'
import type { VerbDefinition } from './transaction.ts'
import { issueForClient } from './verbs/access.ts'
import { endApiKey, revokeApiKey } from './verbs/api-key-end.ts'
import { removeApiKeySecret, rotateApiKey } from './verbs/api-key-secrets.ts'
import { exchangeApiKey, findApiKey, introspectApiKey } from './verbs/api-key-use.ts'
import { createApiKey, listApiKeys } from './verbs/api-keys.ts'
import { listApplications, withdrawApplication } from './verbs/applications.ts'
import { issueCode } from './verbs/approval.ts'
import { forgetAttempts, takeAttempt } from './verbs/attempts.ts'
import { isAuditNumbered, numberAudit, readAudit } from './verbs/audit.ts'
import { addClientSecret, listClientSecrets, removeClientSecret } from './verbs/client-secrets.ts'
import { createClient, deleteClient, listClients, readClient, updateClient } from './verbs/clients.ts'
import { redeemCode } from './verbs/codes.ts'
import { readConsent } from './verbs/consents.ts'
import {
  cutOffActor,
  cutOffAll,
  cutOffClaims,
  cutOffClient,
  cutOffSubject,
  cutOffUserAtClient,
} from './verbs/cut-offs.ts'
import { pollDevice, redeemDevice, startDevice } from './verbs/device-codes.ts'
import { decideDevice, enterUserCode } from './verbs/device-decisions.ts'
import { numberRevocations, readFeed, readFeedHead } from './verbs/feed.ts'
import { introspectJwt, introspectOpaque, readLiveGrant } from './verbs/introspection.ts'
import { addKey, listKeys, retireKey } from './verbs/keys.ts'
import { hasDueNotice, settleNotice, takeNotices } from './verbs/leak-notices.ts'
import { findClientSecrets, findLeaked } from './verbs/leak-search.ts'
import { revokeLeaked } from './verbs/leaks.ts'
import { purgeExpired } from './verbs/purge.ts'
import { hasPushStreams, leasePushStreams, releasePushStreams } from './verbs/push-leases.ts'
import { recoverLostWindow } from './verbs/recovery.ts'
import { rotateRefresh } from './verbs/refresh.ts'
import { createResource, listResources, readResources } from './verbs/resources.ts'
import { revokeFamily, revokeGrant, revokeJwt, revokeOpaque } from './verbs/revocation.ts'
import { recordSecretUses } from './verbs/secret-uses.ts'
import { closeSession, openSession, readSession } from './verbs/sessions.ts'
import { spendOnce } from './verbs/spent.ts'
import { reserveStatusIndexes } from './verbs/status-lists.ts'
import {
  claimStatusList,
  listStatusLists,
  publishStatusList,
  readStatusListToken,
  readTakenBack,
} from './verbs/status-publications.ts'
import {
  acknowledgeEvents,
  changeSubject,
  configureStream,
  createStream,
  deleteStream,
  listStreams,
  readFeedCaller,
  readStream,
  requestVerification,
  setStreamStatus,
} from './verbs/streams.ts'
import { changeUser, createUser, listUsers, readUserByName } from './verbs/users.ts'

/** Everything that can be asked of the store. One verb, one intention, one transaction; there is no begin, no commit, no CRUD. */
const verbs = {
  readClient,
  listClients,
  createClient,
  updateClient,
  deleteClient,
  addClientSecret,
  removeClientSecret,
  listClientSecrets,
  recordSecretUses,
  createApiKey,
  listApiKeys,
  rotateApiKey,
  removeApiKeySecret,
  endApiKey,
  revokeApiKey,
  findApiKey,
  introspectApiKey,
  exchangeApiKey,
  readResources,
  listResources,
  createResource,
  readUserByName,
  listUsers,
  createUser,
  changeUser,
  openSession,
  readSession,
  closeSession,
  readConsent,
  issueCode,
  redeemCode,
  startDevice,
  enterUserCode,
  decideDevice,
  pollDevice,
  redeemDevice,
  rotateRefresh,
  issueForClient,
  introspectJwt,
  introspectOpaque,
  readLiveGrant,
  revokeFamily,
  revokeGrant,
  revokeJwt,
  revokeOpaque,
  cutOffClient,
  cutOffSubject,
  cutOffUserAtClient,
  cutOffActor,
  cutOffAll,
  cutOffClaims,
  findLeaked,
  findClientSecrets,
  revokeLeaked,
  hasDueNotice,
  takeNotices,
  settleNotice,
  listApplications,
  withdrawApplication,
  spendOnce,
  takeAttempt,
  forgetAttempts,
  listKeys,
  addKey,
  retireKey,
  numberAudit,
  isAuditNumbered,
  readAudit,
  numberRevocations,
  readFeed,
  readFeedHead,
  reserveStatusIndexes,
  listStatusLists,
  claimStatusList,
  publishStatusList,
  readStatusListToken,
  readTakenBack,
  createStream,
  readStream,
  listStreams,
  readFeedCaller,
  configureStream,
  deleteStream,
  setStreamStatus,
  requestVerification,
  changeSubject,
  acknowledgeEvents,
  leasePushStreams,
  hasPushStreams,
  releasePushStreams,
  purgeExpired,
  recoverLostWindow,
}

type Verbs = typeof verbs
type Method<Definition> =
  Definition extends VerbDefinition<infer Input, infer Result> ? (input: Input) => Promise<Result> : never

/** The store: its verbs, and what the life of a database needs. Every method rejects with `StoreUnavailable` on a fault. */
export type Store = { readonly [Name in keyof Verbs]: Method<Verbs[Name]> } & Omit<Engine, 'read' | 'change'> & {
    /** What the secrets that are made here say of themselves. */
    readonly environment: SecretEnvironment
  }

/** Puts the verbs on an engine, which makes its secrets for the same environment. */
export function createStore(engine: Engine, environment: SecretEnvironment = 'live'): Store {
  const { read, change, ...life } = engine
  const methods = Object.entries(verbs).map(([name, verb]) => [
    name,
    verb.kind === 'read'
      ? (input: never) => read({ verb, input } as Read)
      : (input: never) => change({ verb, input } as Change),
  ])
  return { ...(Object.fromEntries(methods) as Pick<Store, keyof Verbs>), ...life, environment }
}

const poolBytes = 8_192

/** Random bytes, drawn from the system in blocks: a draw costs about a microsecond, whatever its length. */
export function createRandom(): (byteLength: number) => Buffer {
  let pool = Buffer.alloc(0)
  let used = 0
  return (byteLength) => {
    if (byteLength > poolBytes) return randomBytes(byteLength)
    if (used + byteLength > pool.byteLength) {
      pool = randomBytes(poolBytes)
      used = 0
    }
    used += byteLength
    return pool.subarray(used - byteLength, used)
  }
}
