// The clients of the crash run: they refresh, redeem and revoke as fast as they are answered, until the server dies.
import { type Ledger, type Session, textOf } from './crash-ledger.ts'
import { type MintedCode, resourceServers } from './crash-store.ts'
import type { Ask, Heard } from './crash-wire.ts'

const refreshers = 8
const redeemers = 3
const revokers = 2

/** Runs all clients until `stopped` says so, and every request of theirs is over. */
export async function runLoad(ask: Ask, ledger: Ledger, codes: MintedCode[], stopped: () => boolean): Promise<void> {
  const worker = (work: () => Promise<boolean>): Promise<void> => repeat(work, stopped)
  await Promise.all([
    ...Array.from({ length: refreshers }, () => worker(() => refreshOne(ask, ledger))),
    ...Array.from({ length: redeemers }, () => worker(() => redeemOne(ask, ledger, codes))),
    ...Array.from({ length: revokers }, () => worker(() => revokeOne(ask, ledger))),
  ])
}

async function repeat(work: () => Promise<boolean>, stopped: () => boolean): Promise<void> {
  while (!stopped()) {
    const didSomething = await work()
    // Nothing to do yet: the others go on.
    if (!didSomething) await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

function pick<Item>(items: readonly Item[]): Item | undefined {
  return items[Math.floor(Math.random() * items.length)]
}

function takeSession({ sessions }: Ledger): Session | undefined {
  const session = pick(sessions.filter(({ state, isBusy }) => state === 'live' && !isBusy))
  if (session !== undefined) session.isBusy = true
  return session
}

/** Refreshes one session; now and then twice at one time, as two tabs do. */
async function refreshOne(ask: Ask, ledger: Ledger): Promise<boolean> {
  const session = takeSession(ledger)
  const token = session?.refresh.at(-1)
  if (session === undefined || token === undefined) return false
  const form = { grant_type: 'refresh_token', refresh_token: token }
  const attempts = Math.random() < 0.2 ? 3 : 1
  const answers = await Promise.all(Array.from({ length: attempts }, () => ask('/token', session.client, form)))
  const successors = new Set<string>()
  for (const answer of answers) {
    if (!wasDone(answer, ledger, `a refresh of session ${session.grantId}`)) continue
    ledger.counts.refreshes++
    successors.add(textOf(answer.body, 'refresh_token'))
    session.access.push(textOf(answer.body, 'access_token'))
  }
  const [successor, ...others] = successors
  if (others.length > 0)
    ledger.violations.push(`session ${session.grantId} got ${successors.size} successors at one time`)
  if (successor !== undefined) session.refresh.push(successor)
  session.isBusy = false
  return true
}

/** Redeems one code; now and then twice at one time, which ends its grant when one of them is a replay. */
async function redeemOne(ask: Ask, ledger: Ledger, codes: MintedCode[]): Promise<boolean> {
  const code = codes.pop()
  if (code === undefined) return false
  const attempts = Math.random() < 0.2 ? 2 : 1
  const answers = await Promise.all(Array.from({ length: attempts }, () => ask('/token', code.client, code.form)))
  const given = answers.filter((answer) => answer?.status === 200)
  if (answers.includes(undefined)) {
    ledger.codesInDoubt.push(code)
    ledger.counts.cut += answers.filter((answer) => answer === undefined).length
  }
  if (given.length > 1) ledger.violations.push('one code gave tokens twice at one time')
  const [answer] = given
  if (answer === undefined) return true
  ledger.counts.redemptions++
  const session: Session = {
    client: code.client,
    format: code.format,
    grantId: await readGrantId(ask, code, answer),
    refresh: [textOf(answer.body, 'refresh_token')],
    access: [textOf(answer.body, 'access_token')],
    revokedAccess: [],
    // The other attempt came after, or may have: then it was a replay.
    state: attempts === 1 ? 'live' : answers.includes(undefined) ? 'in doubt' : 'ended',
    isBusy: false,
  }
  ledger.sessions.push(session)
  ledger.redeemed.push({ code, session })
  return true
}

async function readGrantId(ask: Ask, { format }: MintedCode, answer: Heard): Promise<string> {
  const token = textOf(answer.body, 'access_token')
  if (format === 'jwt')
    return textOf(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()), 'grant_id')
  const introspected = await ask('/introspect', resourceServers.opaque, { token })
  return introspected === undefined ? '' : textOf(introspected.body, 'grant_id')
}

/** Revokes a whole session, or one of its access tokens. */
async function revokeOne(ask: Ask, ledger: Ledger): Promise<boolean> {
  const session = ledger.counts.revocations > ledger.counts.redemptions / 3 ? undefined : takeSession(ledger)
  if (session === undefined) return false
  const access = Math.random() < 0.5 ? session.access.pop() : undefined
  const token = access ?? session.refresh.at(-1) ?? ''
  const answer = await ask('/revoke', session.client, { token })
  if (wasDone(answer, ledger, `a revocation in session ${session.grantId}`)) {
    ledger.counts.revocations++
    if (access === undefined) session.state = 'ended'
    else session.revokedAccess.push(access)
  } else if (access === undefined) {
    session.state = 'in doubt'
  }
  session.isBusy = false
  return true
}

/** Whether an answer acknowledges. Anything but that, a cut or 503 breaks a promise: each of these requests was right. */
function wasDone(answer: Heard | undefined, { counts, violations }: Ledger, what: string): answer is Heard {
  if (answer === undefined) counts.cut++
  else if (answer.status === 503) counts.unavailable++
  else if (answer.status !== 200)
    violations.push(`${what} was answered ${answer.status} ${textOf(answer.body, 'error')}`)
  return answer?.status === 200
}
