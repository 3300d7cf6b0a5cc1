import { existsSync } from 'node:fs'
import type { KnownStore, SessionStore } from '@arctos/client'
import { fileStore } from '@arctos/client/stores/file'
import { systemStore } from '@arctos/client/stores/system'
import { CommandError } from '../terminal.ts'
import type { ProfilePlace } from './places.ts'

const keychains = ['if possible', 'never'] as const

/** The store of a profile's session: sealed, with its key in the keychain of the system where there is one. */
export async function openSessionStore({ session, key }: ProfilePlace): Promise<KnownStore> {
  const given = process.env['ARCTOS_KEYCHAIN'] || 'if possible'
  const keychain = keychains.find((each) => each === given)
  if (keychain === undefined)
    throw new CommandError(`ARCTOS_KEYCHAIN: ${JSON.stringify(given)} is not allowed; it must be never`)
  return await systemStore('arctos', { directory: session, keyDirectory: key, keychain })
}

/** Whether there may be a session; to look into the store would make one. */
export function hasSessionStore({ session }: ProfilePlace): boolean {
  return existsSync(session)
}

/** Whose lease is the right to ask the user. Nothing secret gets into it. */
export function openTurn({ turn }: ProfilePlace): SessionStore {
  return fileStore({ directory: turn })
}
