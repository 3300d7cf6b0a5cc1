import { chmod, mkdir, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileStore } from '@arctos/client/stores/file'
import { Secret } from '@arctos/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { numberedFiles } from '../src/stores/numbered-files.ts'
import { startScene } from './support/reporter.ts'
import { temporaryFolder } from './support/shared-stores.ts'

const [zero, one] = [new Secret('zero'), new Secret('one')] as const

async function newStore() {
  const directory = join(await temporaryFolder(), 'deep', 'session')
  return { directory, store: fileStore({ directory }) }
}

/** The file with the highest number. */
async function newestFile(directory: string): Promise<string> {
  const names = (await readdir(directory)).filter((name) => name.startsWith('session.'))
  const numbers = names.map((name) => Number(name.slice('session.'.length))).sort((a, b) => b - a)
  return join(directory, `session.${numbers[0]}`)
}

async function loggedIn() {
  const scene = await startScene()
  const { directory, store } = await newStore()
  const { program, resource, openBrowser } = scene
  const session = await program.login({ resource, scope: 'read offline_access', openBrowser, store })
  return { ...scene, directory, store, session }
}

describe('a file store', () => {
  it('says where it is', async () => {
    const { directory, store } = await newStore()
    expect([store.kind, store.describe()]).toEqual(['file', expect.stringContaining(directory)])
  })

  it('makes folder and files for this user alone, whatever the umask', async () => {
    const { directory, store } = await newStore()
    const umask = process.umask(0)
    onTestFinished(() => void process.umask(umask))
    await store.compareAndSwap(undefined, zero)
    await store.lease('a', 60_000)
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    for (const name of await readdir(directory)) expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600)
  })

  it('refuses a folder that others can enter, says what to do, and leaves it as it is', async () => {
    const { directory, store } = await newStore()
    await mkdir(directory, { recursive: true })
    await chmod(directory, 0o755)
    await expect(store.compareAndSwap(undefined, zero)).rejects.toMatchObject({
      code: 'store_refused',
      message: expect.stringContaining(`chmod 700 ${directory}`),
    })
    expect([(await stat(directory)).mode & 0o777, await readdir(directory)]).toEqual([0o755, []])
    await chmod(directory, 0o700)
    expect(await store.compareAndSwap(undefined, zero)).toBe(true)
  })

  it('closes a file that others can read, and says so', async () => {
    const { directory, store } = await newStore()
    await store.compareAndSwap(undefined, zero)
    const file = await newestFile(directory)
    await chmod(file, 0o644)
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    onTestFinished(() => warn.mockRestore())
    expect((await store.read())?.reveal()).toBe('zero')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(warn.mock.calls.map(([text]) => text)).toEqual([expect.stringContaining(file)])
  })

  it('keeps no former text, and a bounded number of files', async () => {
    const { directory, store } = await newStore()
    let held: Secret | undefined
    for (let count = 0; count < 30; count++) {
      const next = new Secret(`text ${count}`)
      await store.compareAndSwap(held, next)
      held = next
    }
    const names = await readdir(directory)
    const texts = await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')))
    expect(texts.filter((text) => text !== '')).toEqual(['text 29'])
    expect(names.length).toBeLessThanOrEqual(8)
  })

  it.each([1, 3, 7, 8, 40])('lets nobody write who stood still while others wrote %i times', async (writes) => {
    const folder = await temporaryFolder()
    const [still, others] = [numberedFiles(folder, 'session', true), numberedFiles(folder, 'session', true)]
    await others.append(await others.newest(), 'first')
    const seen = await still.newest()
    for (let count = 0; count < writes; count++)
      expect(await others.append(await others.newest(), `${count}`)).toBe(true)
    expect(await still.append(seen, 'late')).toBe(false)
    expect((await still.newest()).text).toBe(`${writes - 1}`)
    expect(await others.append(await others.newest(), 'next')).toBe(true)
  })

  it('is not disturbed by what a process that died was about to write, and clears it away', async () => {
    const { directory, store } = await newStore()
    await store.compareAndSwap(undefined, zero)
    const draft = join(directory, 'new.0123456789abcdef')
    await writeFile(draft, '{"format":1,"iss', { mode: 0o600 })
    expect((await store.read())?.reveal()).toBe('zero')
    await utimes(draft, 0, 0)
    await store.compareAndSwap(zero, one)
    expect(await readdir(directory)).not.toContain('new.0123456789abcdef')
  })

  it('takes a lease over that cannot be read, or ends later than any', async () => {
    const { directory, store } = await newStore()
    await store.read()
    await writeFile(join(directory, 'lease.1'), '{"owner":"a","un', { mode: 0o600 })
    expect(await store.lease('b', 10)).toBe(true)
    const until = Date.now() + 3_600_000
    await writeFile(join(directory, 'lease.7'), JSON.stringify({ owner: 'a', until }), { mode: 0o600 })
    expect(await store.lease('c', 60_000)).toBe(true)
  })

  it('says that there is no room, and what failed, without what it was to keep', async () => {
    const { directory, store } = await newStore()
    await mkdir(join(directory, '..'), { recursive: true })
    await writeFile(directory, 'not a folder')
    const failure = await store.compareAndSwap(undefined, new Secret('MARKER')).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'store_unavailable', message: expect.stringContaining(directory) })
    expect(JSON.stringify([String(failure), failure])).not.toContain('MARKER')
  })
})

describe('a session in a file store', () => {
  it.each([
    ['cut in half', (size: number) => Math.floor(size / 2)],
    ['emptied', () => 0],
  ])('whose file was %s is refused, not taken for none, and a login replaces it', async (_, sizeLeft) => {
    const { directory, store, program, resource, openBrowser } = await loggedIn()
    const file = await newestFile(directory)
    await truncate(file, sizeLeft((await stat(file)).size))
    await expect(program.resume({ store })).rejects.toMatchObject({ code: 'store_refused' })
    const session = await program.login({ resource, openBrowser, store })
    expect((await session.fetch({ resource })('/notes')).status).toBe(200)
    expect(await program.resume({ store })).toBeDefined()
  })

  it('is noted as being renewed before the refresh token is sent, and not any more afterwards', async () => {
    const { directory, server, session, resource, world } = await loggedIn()
    world.advance(601)
    let during = ''
    server.fault('/token', ({ answer }) => {
      void newestFile(directory)
        .then((file) => readFile(file, 'utf8'))
        .then((text) => {
          during = text
        })
        .finally(answer)
    })
    await session.accessToken({ resource })
    expect(JSON.parse(during)).toMatchObject({
      renewal: { owner: expect.stringMatching(/^[\w-]{16}$/), since: world.nowSeconds() },
    })
    expect(JSON.parse(await readFile(await newestFile(directory), 'utf8'))).not.toHaveProperty('renewal')
  })

  it('that is out of reach for a while is not lost, and nothing is sent meanwhile', async () => {
    const { directory, server, session, resource, world } = await loggedIn()
    world.advance(601)
    await rename(directory, `${directory}-away`)
    await writeFile(directory, 'in its place')
    await expect(session.accessToken({ resource })).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(server.seenAt('/token')).toHaveLength(1)
    await rm(directory)
    await rename(`${directory}-away`, directory)
    await expect(session.accessToken({ resource })).resolves.toBeDefined()
  })
})
