import { randomBytes } from 'node:crypto'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { memoryStore } from '@arctos/client'
import { fileStore } from '@arctos/client/stores/file'
import { sealedStore } from '@arctos/client/stores/sealed'
import { systemStore } from '@arctos/client/stores/system'
import { Secret } from '@arctos/core'
import { Entry } from '@napi-rs/keyring'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { startScene } from './support/reporter.ts'
import { temporaryFolder } from './support/shared-stores.ts'

const [zero, one] = [new Secret('zero'), new Secret('one')] as const
const marker = new Secret('MARKER-0123456789')
const name = 'arctos-test'
const inKernel = { linux: 'keyutils' } as const

/** Only the kernel's keyring is there on every Linux, and a sandbox may forbid even that. */
const hasKernelKeyring = process.platform === 'linux' && worksInKernel()

function kernelEntry(service: string, account: string): Entry {
  return new Entry(service, account, { linux: { store: 'keyutils' } })
}

/** Opens a store with a real keychain, which holds its key no longer than the test lasts. */
async function openInKernel(directory: string, service = name): ReturnType<typeof systemStore> {
  const store = await systemStore(service, { directory, ...inKernel })
  const note = await readFile(join(directory, 'key-place.1'), 'utf8')
  onTestFinished(() => void kernelEntry(service, note.replace('keychain ', '')).deleteCredential())
  return store
}

function worksInKernel(): boolean {
  // The first call of a thread may be denied where the next one is not.
  for (let count = 0; count < 2; count++) {
    try {
      kernelEntry(name, 'here').setPassword('a')
      return kernelEntry(name, 'here').deleteCredential()
    } catch {}
  }
  return false
}

async function allTexts(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return (await Promise.all(files.map((file) => readFile(file, 'latin1')))).join('\n')
}

function silenceWarnings() {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  onTestFinished(() => warn.mockRestore())
  return warn
}

describe('a sealed store', () => {
  it('keeps nothing in clear, not even what repeats', async () => {
    const inner = memoryStore()
    const store = sealedStore(inner, randomBytes(32))
    await store.compareAndSwap(undefined, marker)
    const first = (await inner.read())?.reveal() ?? ''
    await store.compareAndSwap(marker, marker)
    const second = (await inner.read())?.reveal() ?? ''
    expect(`${first}${second}`).not.toContain('MARKER')
    expect(second).not.toBe(first)
    expect((await store.read())?.reveal()).toBe(marker.reveal())
  })

  it('reads what was kept in clear before, and seals it with the next change', async () => {
    const inner = memoryStore()
    await inner.compareAndSwap(undefined, zero)
    const store = sealedStore(inner, randomBytes(32))
    expect((await store.read())?.reveal()).toBe('zero')
    expect(await store.compareAndSwap(zero, one)).toBe(true)
    expect((await inner.read())?.reveal()).toMatch(/^arctos-sealed-1\.[\w-]+$/)
  })

  it.each([
    ['another key', (text: string) => text, randomBytes(32)],
    ['a changed text', (text: string) => text.slice(0, -2), undefined],
  ])('with %s is refused in plain words, and a login replaces it', async (_, change, otherKey) => {
    const { program, resource, openBrowser } = await startScene()
    const inner = memoryStore()
    const key = randomBytes(32)
    await program.login({ resource, openBrowser, store: sealedStore(inner, key) })
    const kept = await inner.read()
    await inner.compareAndSwap(kept, new Secret(change(kept?.reveal() ?? '')))
    const store = sealedStore(inner, otherKey ?? key)
    await expect(program.resume({ store })).rejects.toMatchObject({
      code: 'store_refused',
      message: expect.stringContaining('sealed'),
    })
    await program.login({ resource, openBrowser, store })
    expect(await program.resume({ store })).toBeDefined()
  })

  it('takes no key of another length', () => {
    expect(() => sealedStore(memoryStore(), randomBytes(16))).toThrow('32 bytes')
  })
})

describe("the system's store without a keychain", () => {
  const withoutKeychain = { keychain: 'never' } as const

  it('says which it is, and where the key lies', async () => {
    const directory = join(await temporaryFolder(), 'state')
    const store = await systemStore(name, { directory, ...withoutKeychain })
    expect([store.kind, store.describe()]).toEqual([
      'sealed file',
      expect.stringMatching(/sealed file in .*state, with its key in .*\.key$/),
    ])
  })

  it('keeps session and key apart, both for this user alone, and nothing in clear', async () => {
    const [directory, keyDirectory] = [join(await temporaryFolder(), 's'), join(await temporaryFolder(), 'k')]
    const store = await systemStore(name, { directory, keyDirectory, ...withoutKeychain })
    await store.compareAndSwap(undefined, marker)
    expect(await allTexts(directory)).not.toContain('MARKER')
    const [key = ''] = await readdir(keyDirectory)
    expect((await stat(join(keyDirectory, key))).mode & 0o777).toBe(0o600)
    expect(await allTexts(directory)).not.toContain(await readFile(join(keyDirectory, key), 'utf8'))
  })

  it('agrees on one key however many processes begin at once', async () => {
    const directory = join(await temporaryFolder(), 'state')
    const stores = await Promise.all(
      Array.from({ length: 8 }, () => systemStore(name, { directory, ...withoutKeychain })),
    )
    await stores[0]?.compareAndSwap(undefined, zero)
    const texts = await Promise.all(stores.map((store) => store.read()))
    expect(texts.map((text) => text?.reveal())).toEqual(stores.map(() => 'zero'))
  })

  it('whose key is gone asks for a new login, and tells why', async () => {
    const { program, resource, openBrowser } = await startScene()
    const [directory, keyDirectory] = [join(await temporaryFolder(), 's'), join(await temporaryFolder(), 'k')]
    const options = { directory, keyDirectory, ...withoutKeychain }
    await program.login({ resource, openBrowser, store: await systemStore(name, options) })
    await rm(keyDirectory, { recursive: true })
    const warn = silenceWarnings()
    const store = await systemStore(name, options)
    expect(warn.mock.calls.map(([text]) => text)).toEqual([expect.stringContaining('a new login is needed')])
    await expect(program.resume({ store })).rejects.toMatchObject({ code: 'store_refused' })
    await program.login({ resource, openBrowser, store })
    expect(await program.resume({ store: await systemStore(name, options) })).toBeDefined()
  })

  it('refuses a note of the key’s place that it cannot read', async () => {
    const directory = join(await temporaryFolder(), 'state')
    await systemStore(name, { directory, ...withoutKeychain })
    await writeFile(join(directory, 'key-place.1'), 'somewhere')
    await expect(systemStore(name, { directory, ...withoutKeychain })).rejects.toMatchObject({ code: 'store_refused' })
  })

  it.each(['', '../up', 'a/b', 'a b', 'x'.repeat(65)])(
    'takes no name that is a path or a sentence: %j',
    async (bad) => {
      await expect(systemStore(bad)).rejects.toMatchObject({ code: 'invalid_option' })
    },
  )
})

describe("the system's store with a keychain that cannot be reached", () => {
  it('is a sealed file, and stays one', async () => {
    vi.stubEnv('DBUS_SESSION_BUS_ADDRESS', 'unix:path=/nonexistent')
    onTestFinished(() => void vi.unstubAllEnvs())
    const directory = join(await temporaryFolder(), 'state')
    const store = await systemStore(name, { directory })
    expect(store.kind).toBe('sealed file')
    await store.compareAndSwap(undefined, zero)
    const later = await systemStore(name, { directory, ...inKernel })
    expect([later.kind, (await later.read())?.reveal()]).toEqual(['sealed file', 'zero'])
  })

  it.runIf(hasKernelKeyring)('does not begin another session beside the one whose key is in the keychain', async () => {
    vi.stubEnv('DBUS_SESSION_BUS_ADDRESS', 'unix:path=/nonexistent')
    onTestFinished(() => void vi.unstubAllEnvs())
    const directory = join(await temporaryFolder(), 'state')
    await openInKernel(directory)
    await expect(systemStore(name, { directory })).rejects.toMatchObject({ code: 'store_unavailable' })
  })
})

describe.runIf(hasKernelKeyring)("the system's store with a real keychain", () => {
  it('says so, keeps its key there, and no key in a file', async () => {
    const directory = join(await temporaryFolder(), 'state')
    const store = await openInKernel(directory)
    expect([store.kind, store.describe()]).toEqual(['keychain', expect.stringContaining('the keyring of the kernel')])
    await store.compareAndSwap(undefined, marker)
    expect(await allTexts(directory)).not.toContain('MARKER')
    expect((await readdir(directory, { recursive: true })).filter((file) => file.endsWith('.key'))).toEqual([])
    expect((await (await systemStore(name, { directory, ...inKernel })).read())?.reveal()).toBe(marker.reveal())
    // What lies there is the sealed text itself, which no other key opens.
    const sealed = await fileStore({ directory }).read()
    expect(sealed?.reveal()).toMatch(/^arctos-sealed-1\./)
  })

  it('keeps a key of 32 bytes under the name of the program', async () => {
    const service = `arctos-test-${randomBytes(4).toString('hex')}`
    const directory = join(await temporaryFolder(), 'state')
    await openInKernel(directory, service)
    const account = (await readFile(join(directory, 'key-place.1'), 'utf8')).replace('keychain ', '')
    expect(kernelEntry(service, account).getPassword()).toMatch(/^[\w-]{43}$/)
  })
})
