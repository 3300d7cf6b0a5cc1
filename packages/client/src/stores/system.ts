import { randomBytes } from 'node:crypto'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { decodeBase64url, encodeBase64url } from '@arctos/core'
import { ClientError } from '../errors.ts'
import type { KnownStore } from '../session-store.ts'
import { fileStore } from './file.ts'
import { type Keychain, type LinuxKeychain, openKeychain } from './keychain.ts'
import { type Numbered, numberedFiles } from './numbered-files.ts'
import { createPrivateFile, openPrivateFolder, readPrivateFile, syncFolder } from './private-folder.ts'
import { sealedStore } from './sealed.ts'

export interface SystemStoreOptions {
  /** Where the sealed session lies; by default the platform's folder for the state of programs. */
  readonly directory?: string
  /** Where its key lies if there is no keychain; by default the platform's folder for settings. */
  readonly keyDirectory?: string
  /** `never` keeps the key in a file even where there is a keychain. */
  readonly keychain?: 'if possible' | 'never'
  /** Which keychain on Linux; the Secret Service unless it is named. */
  readonly linux?: LinuxKeychain
}

const tries = 5

/**
 * The best place that this machine has for the session of a user's program: a file that is sealed with a key, and the key in the
 * keychain of the operating system, or, where there is none, in a file of its own. Which of the two is decided once and noted
 * beside the session, so that all processes, now and later, use the same. Throws `store_unavailable` if the key is in a
 * keychain that does not answer.
 *
 * @param name of the program, for folders and for the entry in the keychain
 */
export async function systemStore(name: string, options: SystemStoreOptions = {}): Promise<KnownStore> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw new ClientError('invalid_option', 'the name of a store has letters, digits, dots, dashes and underscores')
  }
  const directory = options.directory ?? stateFolder(name)
  const keyDirectory =
    options.keyDirectory ?? (options.directory === undefined ? settingsFolder(name) : join(directory, 'key'))
  await openPrivateFolder(directory)
  const notes = numberedFiles(directory, 'key-place', true)
  const openAny = async (): Promise<Keychain | { readonly missing: string }> =>
    options.keychain === 'never'
      ? { missing: 'it is not wanted' }
      : await openKeychain(name, options.linux ?? 'secret-service')

  for (let count = 0; count < tries; count++) {
    const note = await notes.newest()
    const place = readPlace(note)
    const store = place && (await openAt(place))
    if (store !== undefined) return store
    if (place !== undefined) {
      process.emitWarning(`the key of the session in ${directory} is gone; a new login is needed`, 'ArctosWarning')
    }
    await makeKey(note)
  }
  throw new ClientError('store_unavailable', `other processes keep changing ${directory}`)

  /** The store, with the key that lies at a place; `undefined` if it does not lie there. */
  async function openAt({ kind, id }: Place): Promise<KnownStore | undefined> {
    const found = kind === 'keychain' ? await keyInKeychain(id) : await keyInFile(id)
    if (found === undefined) return undefined
    const sealed = sealedStore(fileStore({ directory }), found.key)
    return { ...sealed, kind, describe: () => `a sealed file in ${directory}, with its key in ${found.title}` }
  }

  async function keyInKeychain(id: string): Promise<FoundKey | undefined> {
    const keychain = await openKeychain(name, options.linux ?? 'secret-service')
    if ('missing' in keychain) {
      throw new ClientError('store_unavailable', `the session in ${directory} needs its key: ${keychain.missing}`)
    }
    return readKey(await keychain.get(id), keychain.title)
  }

  async function keyInFile(id: string): Promise<FoundKey | undefined> {
    const path = join(keyDirectory, `${id}.key`)
    return readKey(await readPrivateFile(path), path)
  }

  /** Makes a key, and notes its place unless another process was faster: then that one's counts. */
  async function makeKey(after: Numbered): Promise<void> {
    const keychain = await openAny()
    const id = randomBytes(8).toString('hex')
    const text = encodeBase64url(randomBytes(32))
    if ('missing' in keychain) {
      await openPrivateFolder(keyDirectory)
      await createPrivateFile(join(keyDirectory, `${id}.key`), text, true)
      await syncFolder(keyDirectory)
      await notes.append(after, `sealed file ${id}`)
    } else {
      await keychain.set(id, text)
      if (!(await notes.append(after, `keychain ${id}`))) await keychain.remove(id)
    }
  }
}

interface Place {
  readonly kind: 'keychain' | 'sealed file'
  readonly id: string
}

interface FoundKey {
  readonly key: Uint8Array
  readonly title: string
}

function readPlace({ text }: Numbered): Place | undefined {
  if (text === undefined) return undefined
  const [, kind, id] = /^(keychain|sealed file) ([0-9a-f]{16})$/.exec(text) ?? []
  if ((kind !== 'keychain' && kind !== 'sealed file') || id === undefined) {
    throw new ClientError(
      'store_refused',
      'the note of where the key of the session is cannot be read; it was left as it is',
    )
  }
  return { kind, id }
}

function readKey(text: string | undefined, title: string): FoundKey | undefined {
  const key = text === undefined ? undefined : decodeBase64url(text.trim())
  return key?.byteLength === 32 ? { key, title } : undefined
}

function stateFolder(name: string): string {
  if (process.platform === 'darwin') return join(homedir(), 'Library/Application Support', name, 'session')
  if (process.platform === 'win32') return join(windowsData(), name, 'session')
  return join(process.env['XDG_STATE_HOME'] || join(homedir(), '.local/state'), name, 'session')
}

function settingsFolder(name: string): string {
  if (process.platform === 'darwin') return join(homedir(), 'Library/Application Support', name, 'key')
  if (process.platform === 'win32') return join(windowsData(), name, 'key')
  return join(process.env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), name, 'key')
}

function windowsData(): string {
  return process.env['LOCALAPPDATA'] || join(homedir(), 'AppData/Local')
}
