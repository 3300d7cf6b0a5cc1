import { isJsonObject, Refusal, readString } from '@arctos/core'
import type { ReportedLeak } from './take-back.ts'

/** Secrets in one report. */
export const reportLimit = 10_000
/** Bytes of one report, and characters of one text in it. */
export const reportByteLimit = 1_048_576

/**
 * Reads a report whose signature was checked: a JSON array of `{token, type, url, source}`. Only `token` is needed; `type` is the
 * scanner's guess, and the token says better what it is.
 */
export function parseReport(body: Buffer): readonly ReportedLeak[] {
  const list = parseArray(body)
  if (list.length > reportLimit) throw wrong(`at most ${reportLimit} secrets`, `${list.length}`)
  return list.map((each, at) => {
    const token = isJsonObject(each) ? readString(each, 'token') : undefined
    if (!isJsonObject(each) || token === undefined) throw wrong('objects with a token', `another at ${at + 1}`)
    return { token, url: readString(each, 'url'), source: readString(each, 'source') }
  })
}

function parseArray(body: Buffer): readonly unknown[] {
  try {
    const list: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    if (Array.isArray(list)) return list
  } catch {
    throw wrong('JSON in UTF-8', 'something else')
  }
  throw wrong('a JSON array', 'another value')
}

function wrong(expected: string, received: string): Refusal {
  return new Refusal('leak.malformed', { check: 'report', expected, received })
}
