import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { parseJsonObjectText, readString, readStrings } from '@arctos/core'
import { CommandError } from '../terminal.ts'
import { isProfileName, type ProfilePlace, placeOfProfile, sessionsFolder } from './places.ts'

/** What a login under a name was for, so that later commands need not be told again. No secret is in it. */
export interface Profile {
  readonly issuer: string
  readonly clientId: string
  /** The first one is what calls are for that do not name another. */
  readonly resources: readonly [string, ...string[]]
  readonly scope: string | undefined
}

const format = 1
export const defaultProfile = 'default'

/** The profile that a command is for: `--name`, `ARCTOS_PROFILE`, or `default`. */
export function chosenProfile(name: string | undefined): ProfilePlace {
  return placeOfProfile(name ?? (process.env['ARCTOS_PROFILE'] || defaultProfile))
}

/** `undefined` where nobody logged in under this name. Throws {@link CommandError} for a file that cannot be read. */
export function readProfile({ profile: file }: ProfilePlace): Profile | undefined {
  if (!existsSync(file)) return undefined
  const json = parseJsonObjectText(readFileSync(file, 'utf8'))
  const issuer = json && readString(json, 'issuer')
  const clientId = json && readString(json, 'client_id')
  const [first, ...others] = (json && readStrings(json, 'resources')) ?? []
  if (json?.['format'] !== format || issuer === undefined || clientId === undefined || first === undefined)
    throw new CommandError(`${file} is no profile, or one of another version; it was left as it is`)
  return { issuer, clientId, resources: [first, ...others], scope: readString(json, 'scope') }
}

/** Writes a profile: there whole or not at all, whoever writes at the same time. */
export function writeProfile({ folder, profile: file }: ProfilePlace, profile: Profile): void {
  const { issuer, clientId, resources, scope } = profile
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const draft = `${file}.${randomBytes(6).toString('hex')}.tmp`
  const members = { format, issuer, client_id: clientId, resources, scope }
  writeFileSync(draft, `${JSON.stringify(members, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' })
  renameSync(draft, file)
}

/** The names under which somebody logged in, in the order of the alphabet. */
export function listProfiles(): readonly ProfilePlace[] {
  const folder = sessionsFolder()
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter(isProfileName).sort()
  return names.map(placeOfProfile).filter(({ profile }) => existsSync(profile))
}
