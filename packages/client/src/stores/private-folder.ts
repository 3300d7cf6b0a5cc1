import { chmod, type FileHandle, mkdir, open, stat } from 'node:fs/promises'
import { ClientError } from '../errors.ts'

// On Windows these bits say nothing: what lies in a user's profile is guarded by its access list.
const hasModes = process.platform !== 'win32'
const lengthLimitBytes = 1_048_576

/**
 * Makes sure that a folder is there and is this user's alone. One that others can look into is not changed, for it may be theirs
 * to look into: `store_refused` says what to do.
 */
export async function openPrivateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw unavailable(path, error)
  })
  const { mode, uid } = await stat(path)
  if (!hasModes) return
  if (uid !== process.getuid?.()) throw new ClientError('store_refused', `${path} belongs to another user`)
  if ((mode & 0o077) !== 0) {
    const bits = (mode & 0o777).toString(8)
    throw new ClientError(
      'store_refused',
      `others have access to ${path} (mode ${bits}): run chmod 700 ${path}, or name a folder of its own`,
    )
  }
}

/** The text of a file; `undefined` where there is none. One that others could read is closed to them, and that is said. */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw unavailable(path, error)
  }
  try {
    const { mode, size } = await file.stat()
    if (size > lengthLimitBytes) throw new ClientError('store_refused', `${path} is longer than any session`)
    if (hasModes && (mode & 0o077) !== 0) {
      await chmod(path, 0o600)
      process.emitWarning(`others had access to ${path}; its mode is 600 now`, 'ArctosWarning')
    }
    return await file.readFile('utf8')
  } catch (error) {
    throw error instanceof ClientError ? error : unavailable(path, error)
  } finally {
    await file.close()
  }
}

/** Writes a file that was not there, for this user alone; on disk when this returns, if it is to be `durable`. */
export async function createPrivateFile(path: string, text: string, durable: boolean): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    if (durable) await file.sync()
  } finally {
    await file.close()
  }
}

/** Puts what was made or removed in a folder on disk. */
export async function syncFolder(path: string): Promise<void> {
  // Windows has no way to, and NTFS keeps its own journal.
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** A failure of the file system in plain words; nothing of what was to be written is in it. */
export function unavailable(path: string, error: unknown): ClientError {
  return new ClientError('store_unavailable', `the session cannot be kept in ${path} (${codeOf(error) ?? 'error'})`)
}
