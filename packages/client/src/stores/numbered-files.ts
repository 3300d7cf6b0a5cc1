import { randomBytes } from 'node:crypto'
import { link, readdir, stat, truncate, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { ClientError } from '../errors.ts'
import { codeOf, createPrivateFile, readPrivateFile, syncFolder, unavailable } from './private-folder.ts'

/**
 * A value that processes replace by compare-and-swap, as a row of numbered files of which the highest counts. A file gets its
 * number by a hard link, which exactly one process can make, and is whole by then: so there is no lock that a dead process
 * could hold, or that one who stood still could believe to hold.
 */
export interface NumberedFiles {
  newest(): Promise<Numbered>
  /** Adds a text behind the one that was read last, unless somebody else did so first. Returns whether it did. */
  append(after: Numbered, text: string): Promise<boolean>
}

export interface Numbered {
  /** 0 where there is none. */
  readonly number: number
  readonly text: string | undefined
}

// Numbers below the highest stay for a while, as empty files: whoever stood still must find the next number taken.
const numbersKept = 8
const readLimit = 20
const forgottenAfterMs = 60_000

/** @param durable whether an added text is on disk before `append` returns */
export function numberedFiles(folder: string, name: string, durable: boolean): NumberedFiles {
  const pathOf = (number: number): string => join(folder, `${name}.${number}`)

  /** From the highest number down. */
  const list = async (): Promise<{ readonly numbers: readonly number[]; readonly others: readonly string[] }> => {
    const names = await readdir(folder).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return []
      throw unavailable(folder, error)
    })
    const numbers = names.flatMap((each) => {
      const digits = each.startsWith(`${name}.`) ? /^[1-9]\d{0,14}$/.exec(each.slice(name.length + 1)) : null
      return digits === null ? [] : [Number(digits[0])]
    })
    return { numbers: numbers.sort((a, b) => b - a), others: names.filter((each) => each.startsWith('new.')) }
  }

  const removeQuietly = (path: string): Promise<void> => unlink(path).catch(() => undefined)

  /** Takes away what nobody needs any more: former texts, old numbers, and what processes that died were about to add. */
  const tidy = async (highest: number): Promise<void> => {
    const { numbers, others } = await list()
    for (const number of numbers) {
      if (number <= highest - numbersKept) await removeQuietly(pathOf(number))
      else if (number < highest) await truncate(pathOf(number)).catch(() => undefined)
    }
    for (const other of others) {
      const path = join(folder, other)
      const age =
        Date.now() -
        (await stat(path)
          .catch(() => undefined)
          .then((found) => found?.mtimeMs ?? Date.now()))
      if (age > forgottenAfterMs) await removeQuietly(path)
    }
  }

  return {
    async newest() {
      let empty: number | undefined
      for (let count = 0; count < readLimit; count++) {
        const number = (await list()).numbers[0]
        if (number === undefined) return { number: 0, text: undefined }
        const text = await readPrivateFile(pathOf(number))
        if (text !== undefined && text !== '') return { number, text }
        // Overtaken since it was listed, or, if it still is the highest one, damaged.
        if (text === '' && empty === number) return { number, text }
        empty = text === '' ? number : undefined
      }
      throw new ClientError('store_unavailable', `other processes keep changing ${folder}`)
    },
    async append(after, text) {
      const number = after.number + 1
      const draft = join(folder, `new.${randomBytes(8).toString('hex')}`)
      try {
        await createPrivateFile(draft, text, durable)
        try {
          await link(draft, pathOf(number))
        } finally {
          await removeQuietly(draft)
        }
        if (durable) await syncFolder(folder)
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return false
        throw unavailable(folder, error)
      }
      const highest = (await list()).numbers[0] ?? number
      // So far behind that the number had been used and forgotten.
      if (highest >= number + numbersKept) {
        await removeQuietly(pathOf(number))
        return false
      }
      await tidy(highest)
      return true
    },
  }
}
