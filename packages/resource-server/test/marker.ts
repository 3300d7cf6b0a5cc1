import { inspect } from 'node:util'

const partLength = 12

/** Finds secrets in text: whole or in part, plain, in Base64 at any alignment, in hexadecimal, escaped for a URL. */
export interface MarkerNet {
  /** Keeps a value as every printer would show it. */
  readonly keep: (value: unknown) => void
  /** Where parts of secrets stand in what was kept, with what stands around them. */
  readonly found: () => readonly string[]
  /** How much was kept, in characters. */
  readonly size: () => number
}

export function createMarkerNet(secrets: readonly string[]): MarkerNet {
  const parts = new Set(secrets.flatMap(formsOf).flatMap(partsOf))
  const kept: string[] = []
  return {
    keep(value) {
      kept.push(inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxStringLength: null }))
      kept.push(typeof value === 'string' ? value : (stringify(value) ?? ''))
    },
    found: () =>
      kept.flatMap((text) => {
        const at = partsOf(text).findIndex((part) => parts.has(part))
        return at < 0 ? [] : [text.slice(Math.max(0, at - 80), at + 80)]
      }),
    size: () => kept.reduce((sum, { length }) => sum + length, 0),
  }
}

/** The ways in which a text is usually written down. */
export function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret)
  const base64 = [0, 1, 2].flatMap((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
    // The first and the last digits depend on what stands beside the text.
    return (['base64', 'base64url'] as const).map((encoding) => text.toString(encoding).slice(4, -4))
  })
  return [secret, ...base64, bytes.toString('hex'), encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]
}

function partsOf(text: string): readonly string[] {
  return Array.from({ length: Math.max(0, text.length - partLength + 1) }, (_, at) => text.slice(at, at + partLength))
}

function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    // What refers to itself has no JSON; `inspect` shows it.
    return undefined
  }
}
