import { homedir } from 'node:os'
import { join } from 'node:path'
import { CommandError } from '../terminal.ts'

/** Where everything of one profile lies. */
export interface ProfilePlace {
  readonly name: string
  readonly folder: string
  /** What the user logged in to: no secret. */
  readonly profile: string
  /** For the store of the session alone. */
  readonly session: string
  /** For the turn of those who want to log in. */
  readonly turn: string
  /** For the key of a sealed session, where there is no keychain. */
  readonly key: string
}

/** The folder of all profiles: `ARCTOS_SESSIONS`, or the platform's place for the state of programs. */
export function sessionsFolder(): string {
  return process.env['ARCTOS_SESSIONS'] || join(stateFolder(), 'sessions')
}

/** Throws {@link CommandError} for a name that could lead out of the folder. */
export function placeOfProfile(name: string): ProfilePlace {
  if (!isProfileName(name))
    throw new CommandError(`${JSON.stringify(name)} is no name; it has letters, digits, dots, dashes and underscores`)
  const folder = join(sessionsFolder(), name)
  // Apart from what it opens, where the platform has two places: a copy of the one is worth nothing without the other.
  const key = process.env['ARCTOS_SESSIONS'] ? join(folder, 'key') : join(settingsFolder(), 'keys', name)
  return {
    name,
    folder,
    profile: join(folder, 'profile.json'),
    session: join(folder, 'session'),
    turn: join(folder, 'login'),
    key,
  }
}

export function isProfileName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)
}

function stateFolder(): string {
  if (process.platform === 'darwin') return join(homedir(), 'Library/Application Support/arctos')
  if (process.platform === 'win32') return join(windowsData(), 'arctos')
  return join(process.env['XDG_STATE_HOME'] || join(homedir(), '.local/state'), 'arctos')
}

function settingsFolder(): string {
  if (process.platform === 'darwin' || process.platform === 'win32') return stateFolder()
  return join(process.env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'arctos')
}

function windowsData(): string {
  return process.env['LOCALAPPDATA'] || join(homedir(), 'AppData/Local')
}
