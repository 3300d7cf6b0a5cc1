import { CommandError } from './terminal.ts'

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** Ten years: nobody means more, and a key that is to live for longer says `never`. */
const longestSeconds = 3_650 * 86_400

/** Seconds of a text such as `90d`, `12h`, `30m` or `45s`. Throws a message that names the option. */
export function readDuration(option: string, text: string, shortestSeconds = 1): number {
  const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  const seconds = Number(count) * (unitSeconds[unit] ?? Number.NaN)
  if (!(seconds >= shortestSeconds && seconds <= longestSeconds))
    throw new CommandError(
      `--${option}: ${text} is not allowed; it must be a time such as 90d, 12h or 30m, from ${shortestSeconds} s to ten years`,
    )
  return seconds
}

/** The same for the life of a key, which may be without an end where somebody says so. */
export function readLifetime(option: string, text: string, shortestSeconds: number): number | 'never' {
  return text === 'never' ? 'never' : readDuration(option, text, shortestSeconds)
}
