// What has to hold after a crash, asked of the server that was started again.
import type { AuditRecord } from '@arctos/authorization-server'
import { type Ledger, type Session, textOf } from './crash-ledger.ts'
import { type MintedCode, resourceServers } from './crash-store.ts'
import type { Ask, Heard } from './crash-wire.ts'

/** Sessions that are given up in each round to see that old tokens and codes are refused. */
const sacrifices = 4
/** Access tokens of one session that are introspected. */
const accessSample = 3

/** Checks every promise of the round before. Adds a sentence for each that is broken, and leaves sessions as they then are. */
export async function checkPromises(ask: Ask, ledger: Ledger): Promise<void> {
  // Codes first: the replay of one ends the session that its other attempt may have given.
  await Promise.all(ledger.codesInDoubt.map((code) => checkCodeInDoubt(ask, code, ledger.violations)))
  await Promise.all(ledger.sessions.map((session) => checkSession(ask, session, ledger.violations)))
  await checkReplays(ask, ledger)
}

async function checkSession(ask: Ask, session: Session, violations: string[]): Promise<void> {
  const { grantId, client, format, revokedAccess } = session
  const say = (what: string): void => void violations.push(`session ${grantId} (${client.id}, ${format}): ${what}`)
  for (const token of revokedAccess.slice(-accessSample)) {
    if (await isActive(ask, session, token)) say('a revoked access token is active')
  }
  if (session.state === 'in doubt') {
    const answer = await refresh(ask, session, session.refresh.at(-1))
    session.state = answer.status === 200 ? 'live' : 'ended'
    if (answer.status === 200) session.refresh.push(textOf(answer.body, 'refresh_token'))
  }
  if (session.state === 'live') await checkLive(ask, session, say)
  else await checkEnded(ask, session, say)
}

/** No acknowledged token is lost, and a retry has the same successor. */
async function checkLive(ask: Ask, session: Session, say: (what: string) => void): Promise<void> {
  for (const token of session.access.slice(-accessSample)) {
    if (!(await isActive(ask, session, token))) say('an acknowledged access token is not active')
  }
  const token = session.refresh.at(-1)
  const [first, again] = [await refresh(ask, session, token), await refresh(ask, session, token)]
  if (first.status !== 200 || again.status !== 200) {
    say(`its acknowledged refresh token is answered ${first.status}, ${again.status}`)
    session.state = 'ended'
    return
  }
  const successor = textOf(first.body, 'refresh_token')
  if (successor !== textOf(again.body, 'refresh_token')) say('a retry got another successor')
  session.refresh.push(successor)
  session.access.splice(
    0,
    session.access.length,
    textOf(first.body, 'access_token'),
    textOf(again.body, 'access_token'),
  )
}

/** No acknowledged revocation is lost. */
async function checkEnded(ask: Ask, session: Session, say: (what: string) => void): Promise<void> {
  const answer = await refresh(ask, session, session.refresh.at(-1))
  if (answer.status !== 400) say(`it has ended, and its refresh token is answered ${answer.status}`)
  for (const token of session.access.slice(-accessSample)) {
    if (await isActive(ask, session, token)) say('it has ended, and its access token is active')
  }
}

/** A code without an answer was redeemed or was not: either way it gives tokens once at the most from here on. */
async function checkCodeInDoubt(ask: Ask, code: MintedCode, violations: string[]): Promise<void> {
  const statuses = [await tell(ask, '/token', code), await tell(ask, '/token', code)].map(({ status }) => status)
  if (statuses[1] !== 400) violations.push(`a code in doubt was answered ${statuses.join(', ')}`)
}

function tell(ask: Ask, path: string, { client, form }: MintedCode): Promise<Heard> {
  return askAlive(ask, path, client, form)
}

/** Nothing is accepted twice: an acknowledged code and an old refresh token are refused, and end what they belong to. */
async function checkReplays(ask: Ask, { redeemed, sessions, violations }: Ledger): Promise<void> {
  const replayed = redeemed.filter(({ session }) => session.state === 'live').slice(0, sacrifices)
  for (const { code, session } of replayed) {
    const { status } = await tell(ask, '/token', code)
    if (status !== 400) violations.push(`a code that had given tokens was answered ${status}`)
    session.state = 'ended'
  }
  const stolen = sessions
    .filter(({ state, refresh: tokens }) => state === 'live' && tokens.length > 4)
    .slice(0, sacrifices)
  for (const session of stolen) {
    const { status } = await refresh(ask, session, session.refresh[0])
    if (status !== 400) violations.push(`an old refresh token was answered ${status}`)
    session.state = 'ended'
  }
  for (const session of [...replayed.map((each) => each.session), ...stolen]) {
    await checkEnded(ask, session, (what) => void violations.push(`session ${session.grantId}: ${what}`))
  }
}

function refresh(ask: Ask, { client }: Session, token = ''): Promise<Heard> {
  return askAlive(ask, '/token', client, { grant_type: 'refresh_token', refresh_token: token })
}

async function isActive(ask: Ask, { format }: Session, token: string): Promise<boolean> {
  return (await askAlive(ask, '/introspect', resourceServers[format], { token })).body['active'] === true
}

const nothing: Heard = { status: 0, body: {} }

/** Nobody kills the server now. It may ask for patience, but not without end: then its last answer is judged. */
async function askAlive(ask: Ask, ...[path, client, form]: Parameters<Ask>): Promise<Heard> {
  let heard = nothing
  for (let attempt = 1; attempt <= 5 && (heard === nothing || heard.status === 503); attempt++) {
    heard = (await ask(path, client, form)) ?? nothing
  }
  return heard
}

/** Every acknowledged change has its record. Returns a sentence for each that has none. */
export function missingRecords(ledger: Ledger, records: readonly AuditRecord[]): readonly string[] {
  const made = grantsOf(records, 'grant.made')
  const ended = grantsOf(records, 'grant.ended')
  const missing: string[] = []
  for (const { session } of ledger.redeemed) {
    if (session.grantId !== '' && !made.has(session.grantId)) missing.push(`no record of grant ${session.grantId}`)
  }
  for (const { state, grantId } of ledger.sessions) {
    if (state === 'ended' && grantId !== '' && !ended.has(grantId))
      missing.push(`no record of the end of grant ${grantId}`)
  }
  return missing
}

function grantsOf(records: readonly AuditRecord[], kind: string): ReadonlySet<string> {
  return new Set(records.filter((each) => each.kind === kind).map(({ facts }) => textOf(JSON.parse(facts), 'grant')))
}
