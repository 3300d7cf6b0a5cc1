import { randomBytes } from 'node:crypto'

/** Entries of one program in the keychain of the operating system. */
export interface Keychain {
  /** What people call it. */
  readonly title: string
  get(account: string): Promise<string | undefined>
  set(account: string, text: string): Promise<void>
  remove(account: string): Promise<void>
}

/** Which of the two on Linux. The kernel's does not survive a restart of the machine. */
export type LinuxKeychain = 'secret-service' | 'keyutils'

const titles: Readonly<Record<string, string>> = {
  darwin: 'the macOS Keychain',
  win32: 'the Windows Credential Manager',
}
const linuxTitles = { 'secret-service': 'the Secret Service', keyutils: 'the keyring of the kernel' }

/** The keychain, if it is there and works; else why not, in plain words. */
export async function openKeychain(
  service: string,
  linux: LinuxKeychain,
): Promise<Keychain | { readonly missing: string }> {
  const library = await import('@napi-rs/keyring').catch((error: unknown) => error)
  if (!hasEntries(library)) return { missing: 'the package @napi-rs/keyring is not installed for this platform' }
  // The kernel denies the first call of each thread, and answers without waiting for anybody; others may ask the user.
  const Entry = process.platform === 'linux' && linux === 'keyutils' ? library.Entry : library.AsyncEntry
  // The store is named, or on a machine without a desktop the library would take the kernel's without a word.
  const options = { linux: { store: linux } }
  const entry = (account: string) => new Entry(service, account, options)
  const keychain: Keychain = {
    title: titles[process.platform] ?? linuxTitles[linux],
    get: (account) => twice(async () => (await entry(account).getPassword()) ?? undefined),
    set: (account, text) => twice(async () => await entry(account).setPassword(text)),
    remove: (account) => twice(async () => void (await entry(account).deleteCredential())),
  }
  try {
    await twice(() => probe(keychain))
    return keychain
  } catch (error) {
    return { missing: `${keychain.title} does not work here (${error instanceof Error ? error.message : 'error'})` }
  }
}

type Library = typeof import('@napi-rs/keyring')

function hasEntries(library: unknown): library is Library {
  return typeof library === 'object' && library !== null && 'AsyncEntry' in library
}

/** Writes, reads and deletes an entry of its own: some keychains take what they do not give back. */
async function probe(keychain: Keychain): Promise<void> {
  const [account, text] = [`probe-${randomBytes(8).toString('hex')}`, randomBytes(16).toString('hex')]
  await keychain.set(account, text)
  const found = await keychain.get(account)
  await keychain.remove(account)
  if (found !== text) throw new Error('it does not give back what it was given')
}

/** The first call of a process may be denied where the next one is not. */
async function twice<Result>(call: () => Promise<Result>): Promise<Result> {
  return await call().catch(call)
}
