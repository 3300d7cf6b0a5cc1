import { existsSync } from 'node:fs'
import { awaitTurn, ClientError, oauthClient, type Session, SessionOver } from '@arctos/client'
import { interruptible } from '../signals.ts'
import { CommandError } from '../terminal.ts'
import type { ProfilePlace } from './places.ts'
import { defaultProfile, type Profile, readProfile } from './profiles.ts'
import { startProgress } from './progress.ts'
import { hasSessionStore, openSessionStore, openTurn } from './stores.ts'

/** The profile of a command that needs one. */
export function requireProfile(place: ProfilePlace): Profile {
  const profile = readProfile(place)
  if (profile === undefined) throw new CommandError(`nobody is logged in as ${place.name}; run: ${loginCommand(place)}`)
  return profile
}

/**
 * Runs a part of a command with the session of a profile. Where it is over while another process is logging in, that login is
 * waited for; nobody is sent to the browser by a command that was not asked to.
 */
export async function withSession<Result>(
  place: ProfilePlace,
  run: (session: Session, profile: Profile) => Promise<Result>,
): Promise<Result> {
  try {
    return await runOnce(place, run)
  } catch (error) {
    if (!(error instanceof SessionOver || error instanceof NotLoggedIn)) throw error
    if (await waitForLogin(place)) return await runOnce(place, run)
    throw new CommandError(`${error.message.replace(/\. Log in again.*$/, '')}; run: ${loginCommand(place)}`)
  }
}

/** There is no session, or none that can be read: a login helps. */
class NotLoggedIn extends CommandError {}

async function runOnce<Result>(
  place: ProfilePlace,
  run: (session: Session, profile: Profile) => Promise<Result>,
): Promise<Result> {
  const profile = readProfile(place)
  const session = profile && hasSessionStore(place) ? await resume(place, profile) : undefined
  if (profile === undefined || session === undefined) throw new NotLoggedIn(`nobody is logged in as ${place.name}`)
  return await run(session, profile)
}

async function resume(place: ProfilePlace, profile: Profile): Promise<Session | undefined> {
  const store = await openSessionStore(place)
  try {
    return await oauthClient(profile).resume({ store })
  } catch (error) {
    // Not the place, which is open by now, but what lies in it.
    if (error instanceof ClientError && error.code === 'store_refused') throw new NotLoggedIn(error.message)
    throw error
  }
}

/** Waits while another process logs in under this name. Returns whether one did. */
async function waitForLogin(place: ProfilePlace): Promise<boolean> {
  // Whoever logs in has made it; to look would make it too.
  if (!existsSync(place.turn)) return false
  const progress = startProgress()
  try {
    const onWait = () => progress.say('Waiting for the login that another process began')
    return await interruptible((signal) => awaitTurn({ turn: openTurn(place), onWait, signal }))
  } finally {
    progress.stop()
  }
}

/** What to type to log in under this name. */
export function loginCommand({ name }: ProfilePlace): string {
  return `arctos login${name === defaultProfile ? '' : ` --name ${name}`}`
}
