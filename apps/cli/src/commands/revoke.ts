import { setTimeout as pause } from 'node:timers/promises'
import { revokeToken, type Store, StoreUnavailable } from '@arctos/authorization-server'
import type { Command } from 'commander'
import { openAnyKey } from '../key-file.ts'
import { operator, placeOf, type RawOptions, withStore } from '../open.ts'
import { CommandError, iso, readSecret, report } from '../terminal.ts'
import { storeCommand } from './options.ts'

interface RevokeOptions extends RawOptions {
  /** `true` where no file was named. */
  readonly token?: string | true
  readonly grant?: string
  readonly subject?: string
  readonly client?: string
  readonly actor?: string
  readonly before?: string
  readonly all?: true
  readonly reason?: string
  readonly json?: boolean
}

const reasons = ['revoked', 'leaked', 'withdrawn'] as const
type Reason = (typeof reasons)[number]

/** Who takes it back, in each of these calls. */
interface Taking {
  readonly actor: string
  readonly initiator: 'admin'
  readonly reason: Reason
}

/** What ended, and when nobody takes it any more. */
interface Ended {
  readonly ended: string
  readonly id?: string
  /** Dead iff issued before (epoch seconds). */
  readonly notBefore?: number
  /** When the last of it expires by itself (epoch seconds), where that is known. */
  readonly expiresAt?: number
}

/** What the feed promises, in milliseconds. */
const feedBoundMs = 1_000

export function registerRevoke(program: Command): void {
  storeCommand(program, 'revoke', 'take back what was issued, beside a running server: say at which level', ['keyFile'])
    .option('--token [@FILE]', 'a token of any kind, from @FILE, stdin or a prompt; a refresh token ends its family')
    .option('--grant <ID>', 'a grant with its refresh tokens, or an API key, and all derived from it')
    .option('--subject <USER>', 'a user everywhere, by name or id; with --client only there')
    .option('--client <ID>', 'whatever a client holds')
    .option('--actor <ID>', 'whatever this actor has a part in')
    .option('--before <TIME>', 'everything issued before an instant: ISO 8601, or epoch seconds')
    .option('--all', 'everything issued so far')
    .option('--reason <WORD>', `what receivers are told: ${reasons.join(', ')}`, 'revoked')
    .action(async (options: RevokeOptions) => {
      const take = levelOf(options)
      const by = { actor: operator, initiator: 'admin', reason: reasonOf(options.reason) } as const
      const text = options.token === undefined ? '' : await readToken(options.token)
      const [ended, lastExpiry] = await withStore(options, async (store, configuration) => {
        const kek = () => openAnyKey(configuration, placeOf(configuration).dataDir)
        const result = await patiently(() => take({ store, by, text, kek }))
        // Nodes that run beside us look at once; without it they do within 25 ms.
        await store.hintFeed()
        return [result, await lastExpiryOf(store)] as const
      })
      const othersBy = ended.expiresAt ?? lastExpiry
      report(options.json, { ...ended, reason: by.reason, feedBoundMs, othersBy }, [
        describe(ended),
        `  guards on the feed refuse it within ${feedBoundMs / 1_000} s, introspection does now`,
        `  guards with neither take JWTs of it until they expire, ${iso(othersBy)} at the latest`,
      ])
    })
}

async function readToken(token: string | true): Promise<string> {
  return (await readSecret('token', token === true ? undefined : token)).reveal()
}

function reasonOf(word: string | undefined): Reason {
  const reason = reasons.find((each) => each === word)
  if (reason === undefined) throw new CommandError(`--reason: ${word} is none; it must be ${reasons.join(', ')}`)
  return reason
}

interface Level {
  readonly store: Store
  readonly by: Taking
  readonly text: string
  readonly kek: Parameters<typeof revokeToken>[1]['kek']
}

type Take = (level: Level) => Promise<Ended>

/** What the options name, which has to be one thing. */
function levelOf({ token, grant, subject, client, actor, before, all }: RevokeOptions): Take {
  const levels: readonly (Take | undefined)[] = [
    token === undefined ? undefined : takeToken,
    grant === undefined ? undefined : (level) => takeGrant(level, grant),
    subject === undefined ? undefined : (level) => takeSubject(level, subject, client),
    client === undefined || subject !== undefined ? undefined : (level) => takeClient(level, client),
    actor === undefined ? undefined : (level) => takeActor(level, actor),
    before === undefined ? undefined : (level) => takeAll(level, instantOf(before)),
    all === undefined ? undefined : (level) => takeAll(level),
  ]
  const [take, other] = levels.filter((each) => each !== undefined)
  if (take === undefined)
    throw new CommandError('say one of --token, --grant, --subject, --client, --actor, --before, --all')
  if (other !== undefined) throw new CommandError('one thing at a time; only --subject and --client go together')
  if (before !== undefined) instantOf(before)
  return take
}

async function takeToken({ store, by, text, kek }: Level): Promise<Ended> {
  const outcome = await revokeToken(text, { store, kek, ...by, now: Math.floor(Date.now() / 1_000) })
  switch (outcome.outcome) {
    case 'unrecognised':
      throw new CommandError('this is no token of this server')
    case 'expired':
      throw new CommandError('this token has expired by itself')
    case 'nothing_to_revoke':
      throw new CommandError('nothing was left to end: this token had ended before')
    case 'revoked': {
      if (outcome.ended !== 'token') return { ended: outcome.ended, id: outcome.id }
      const { jti, expiresAt } = outcome
      return {
        ended: 'token',
        ...(jti === undefined ? {} : { id: jti }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
      }
    }
  }
}

async function takeGrant({ store, by }: Level, grantId: string): Promise<Ended> {
  const { outcome } = await store.revokeGrant({ grantId, ...by })
  if (outcome === 'unknown') throw new CommandError(`there is no grant ${grantId}`)
  if (outcome === 'nothing_to_revoke') throw new CommandError(`grant ${grantId} had ended before`)
  return { ended: 'grant', id: grantId }
}

async function takeSubject({ store, by }: Level, user: string, clientId: string | undefined): Promise<Ended> {
  const cut = (userId: string) =>
    clientId === undefined
      ? store.cutOffSubject({ userId, ...by })
      : store.cutOffUserAtClient({ userId, clientId, ...by })
  const byId = await cut(user)
  if (byId.outcome === 'cut_off') return endedOf(user, byId.notBefore)
  const named = await store.readUserByName(user)
  const byName = named && (await cut(named.id))
  if (named !== undefined && byName?.outcome === 'cut_off') return endedOf(named.id, byName.notBefore)
  throw new CommandError(
    named !== undefined && clientId !== undefined ? `there is no client ${clientId}` : `there is no user ${user}`,
  )

  function endedOf(id: string, notBefore: number): Ended {
    return clientId === undefined
      ? { ended: 'subject', id, notBefore }
      : { ended: 'subject at client', id: `${id} at ${clientId}`, notBefore }
  }
}

async function takeClient({ store, by }: Level, clientId: string): Promise<Ended> {
  const cut = await store.cutOffClient({ clientId, ...by })
  if (cut.outcome === 'unknown') throw new CommandError(`there is no client ${clientId}`)
  return { ended: 'client', id: clientId, notBefore: cut.notBefore }
}

async function takeActor({ store, by }: Level, actorId: string): Promise<Ended> {
  // Anybody may act, so a wrong name is not found out; none at all is an empty variable of a script.
  if (actorId.trim() === '') throw new CommandError('--actor: say whom, by subject or client id')
  const cut = await store.cutOffActor({ actorId, ...by })
  return { ended: 'actor', id: actorId, ...('notBefore' in cut ? { notBefore: cut.notBefore } : {}) }
}

async function takeAll({ store, by }: Level, before?: number): Promise<Ended> {
  const cut = await store.cutOffAll({ before, ...by })
  switch (cut.outcome) {
    case 'in_the_future':
      throw new CommandError('--before: that is in the future; --all ends everything up to now')
    case 'cut_off_before':
      throw new CommandError('nothing was left to end: everything from before that had ended before')
    case 'cut_off':
      return { ended: 'all', notBefore: cut.notBefore }
  }
}

/** Epoch seconds of a time as people and programs write it. */
function instantOf(text: string): number {
  const seconds = /^\d{1,11}$/.test(text) ? Number(text) : Date.parse(text) / 1_000
  if (!Number.isFinite(seconds) || !/^\d{1,11}$|^\d{4}-\d\d-\d\d/.test(text))
    throw new CommandError(`--before: ${text} is no time; give ISO 8601 (2026-01-31T12:00:00Z) or epoch seconds`)
  // Up: what was issued in the second that the instant lies in was issued before it, or may have been.
  return Math.ceil(seconds)
}

const attempts = 20
const attemptPauseMs = 500

/** Cut-offs lie a second ahead of each other: who makes many at once waits until the clock has come after. */
async function patiently<Result>(take: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await take()
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || attempt === attempts) throw error
    }
    await pause(attemptPauseMs)
  }
}

/** When the last access token that there can be expires. */
async function lastExpiryOf(store: Store): Promise<number> {
  const resources = await store.listResources(undefined)
  const longest = Math.max(0, ...resources.map(({ accessTokenLifetimeSeconds }) => accessTokenLifetimeSeconds))
  return Math.floor(Date.now() / 1_000) + longest
}

function describe({ ended, id, notBefore }: Ended): string {
  const when = notBefore === undefined ? '' : `issued before ${iso(notBefore)}`
  if (ended === 'all') return `ended everything ${when}`
  const what = [ended === 'subject at client' ? 'subject' : ended.replace('_', ' '), id].filter(Boolean)
  return `ended ${what.join(' ')}${when === '' ? '' : `: everything ${when}`}`
}
