import { type OAuthClient, OAuthError, type Session, SessionOver } from '@arctos/client'
import { createRecentCache, encodeBase64url, type JsonObject, type Secret, sha256Base64url } from '@arctos/core'
import { formatSessionRecord, parseLoginRecord, parseSessionRecord, type SessionRecord } from './session-record.ts'
import type { BffStore } from './store.ts'

/** A browser's session that is good now. */
export interface FoundSession {
  readonly key: string
  readonly record: SessionRecord
  /** Carries the tokens. The same object for all requests of this session in this process, so that they share one renewal. */
  readonly session: Session
}

export interface Sessions {
  /**
   * Logs a browser in under a new id, whatever it had before (session fixation). `finish` gets the cell for the tokens; `user` says
   * what the page may know. Returns the id, which is kept nowhere: the store knows its hash.
   */
  begin(
    finish: (tokens: ReturnType<BffStore['cell']>) => Promise<Session>,
    user: (session: Session) => Promise<JsonObject | undefined>,
  ): Promise<string>
  /** The session of this id; `undefined` where there is none, or none any more. Counts as use if `touches`. */
  find(id: string, touches: boolean): Promise<FoundSession | undefined>
  /** Says that the authorization server has ended it. */
  markOver(found: FoundSession): Promise<void>
  /** Ends it: at once here, then at the authorization server. Returns whether it is known to be revoked there. */
  end(id: string): Promise<boolean>
  /** Removes what is over, revoking what was not revoked yet. */
  sweep(): Promise<void>
}

export interface SessionsOptions {
  readonly client: OAuthClient
  readonly store: BffStore
  readonly idleSeconds: number
  readonly absoluteSeconds: number
  readonly loginSeconds: number
  readonly nowSeconds: () => number
  readonly random: (byteLength: number) => Uint8Array
}

const cacheSize = 5_000
const idBytes = 32
const swapLimit = 20

export function createSessions(options: SessionsOptions): Sessions {
  const { client, store, idleSeconds, absoluteSeconds, loginSeconds, nowSeconds, random } = options
  const resumed = createRecentCache<string, Promise<Session | undefined>>(cacheSize)
  // One write a minute says well enough that somebody is there.
  const touchSeconds = Math.min(60, idleSeconds / 10)
  const recordCell = (key: string) => store.cell(`session.${key}`)
  const tokenCell = (key: string) => store.cell(`tokens.${key}`)

  const resume = (key: string): Promise<Session | undefined> => {
    const known = resumed.get(key)
    if (known !== undefined) return known
    const session = client.resume({ store: tokenCell(key) })
    resumed.set(key, session)
    session.then(
      (found) => found === undefined && resumed.delete(key),
      () => resumed.delete(key),
    )
    return session
  }

  const change = async (
    key: string,
    next: (record: SessionRecord) => SessionRecord | undefined,
  ): Promise<SessionRecord | undefined> => {
    const cell = recordCell(key)
    for (let count = 0; count < swapLimit; count++) {
      const text = await cell.read()
      if (text === undefined) return undefined
      const record = parseSessionRecord(text)
      const changed = next(record)
      if (changed === undefined || (await cell.compareAndSwap(text, formatSessionRecord(changed)))) return record
    }
    throw new Error('the store of the BFF does not take a session: other processes keep changing it')
  }

  const isPast = ({ createdAt, seenAt, status }: SessionRecord): boolean => {
    const now = nowSeconds()
    if (status === 'begun') return now >= createdAt + loginSeconds
    return status !== 'open' || now >= createdAt + absoluteSeconds || now >= seenAt + idleSeconds
  }

  const forget = async (key: string): Promise<void> => {
    resumed.delete(key)
    // The tokens first: what is left after a crash in between is found by its record.
    await store.remove(`tokens.${key}`)
    await store.remove(`session.${key}`)
  }

  /** Revokes and forgets. Whether the server knows; if it could not be asked, everything is kept for the next sweep. */
  const finish = async (key: string): Promise<boolean> => {
    try {
      await (await resume(key))?.revoke()
    } catch (error) {
      if (!(error instanceof SessionOver) && !(error instanceof OAuthError)) return false
    }
    await forget(key)
    return true
  }

  const sweepLogin = async (name: string): Promise<void> => {
    const text = await store.cell(name).read()
    if (text !== undefined && nowSeconds() >= parseLoginRecord(text).createdAt + loginSeconds) await store.remove(name)
  }

  const sweepSession = async (key: string): Promise<void> => {
    const text: Secret | undefined = await recordCell(key).read()
    if (text !== undefined && isPast(parseSessionRecord(text))) await finish(key)
  }

  return {
    async begin(finishLogin, userOf) {
      const id = encodeBase64url(random(idBytes))
      const key = sha256Base64url(id)
      const now = nowSeconds()
      const begun: SessionRecord = { createdAt: now, seenAt: now, status: 'begun', scope: [], user: undefined }
      // Written before there are tokens, so that a sweep finds them wherever this process dies.
      await recordCell(key).compareAndSwap(undefined, formatSessionRecord(begun))
      try {
        const session = await finishLogin(tokenCell(key))
        const user = await userOf(session)
        await change(key, (record) => ({ ...record, status: 'open', scope: session.scope, user }))
        resumed.set(key, Promise.resolve(session))
        return id
      } catch (error) {
        await finish(key)
        throw error
      }
    },
    async find(id, touches) {
      const key = sha256Base64url(id)
      const text = await recordCell(key).read()
      if (text === undefined) return undefined
      const record = parseSessionRecord(text)
      if (isPast(record)) return undefined
      const session = await resume(key)
      if (session === undefined) return undefined
      const now = nowSeconds()
      if (touches && now >= record.seenAt + touchSeconds) {
        // Whoever comes between has written a later time, or the end.
        await recordCell(key).compareAndSwap(text, formatSessionRecord({ ...record, seenAt: now }))
      }
      return { key, record, session }
    },
    async markOver({ key }) {
      await change(key, (record) => (record.status === 'open' ? { ...record, status: 'over' } : undefined))
    },
    async end(id) {
      const key = sha256Base64url(id)
      const record = await change(key, (found) =>
        found.status === 'open' ? { ...found, status: 'logged_out' } : undefined,
      )
      return record === undefined || (await finish(key))
    },
    async sweep() {
      const names = new Set(await store.names())
      for (const name of names) {
        const [kind, key = ''] = name.split('.')
        // Records are written before tokens and removed after them, so this is what a late lease left behind.
        if (kind === 'tokens' && !names.has(`session.${key}`)) await store.remove(name)
        if (kind === 'login') await sweepLogin(name)
        else if (kind === 'session') await sweepSession(key)
      }
    },
  }
}
