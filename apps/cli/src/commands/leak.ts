import { type LeakResult, readKeys, takeBackLeaked } from '@arctos/authorization-server'
import { decodeUnverifiedJws, parseClaims, Refusal, readString } from '@arctos/core'
import type { Command } from 'commander'
import { openAnyKey } from '../key-file.ts'
import { operator, placeOf, type RawOptions, withStore } from '../open.ts'
import { CommandError, readSecret, report } from '../terminal.ts'
import { storeCommand } from './options.ts'

interface LeakOptions extends RawOptions {
  readonly source?: string
  readonly url?: string
  readonly json?: boolean
}

export function registerLeak(program: Command): void {
  storeCommand(program, 'leak', 'take back secrets that were found somewhere; read from stdin, a prompt or @FILE', [
    'keyFile',
  ])
    .argument('[secrets]', '@FILE; one secret a line')
    .option('--source <TEXT>', 'where they were found, for the audit log: a chat, a log')
    .option('--url <URL>', 'the address of it')
    .action(async (argument: string | undefined, options: LeakOptions) => {
      const found = (await readSecret('secret', argument)).reveal().split(/\s+/).filter(Boolean)
      if (found.length === 0) throw new CommandError('there is no secret on stdin')
      const result = await takeBack(found, options)
      if (result.ended.length === 0 && result.counts.dead === 0) process.exitCode = 1
      report(options.json, result, formatResult(result))
    })
}

function takeBack(found: readonly string[], options: LeakOptions): Promise<LeakResult> {
  const { url, source } = options
  return withStore(options, async (store, configuration) => {
    const kek = openAnyKey(configuration, placeOf(configuration).dataDir)
    const now = Math.floor(Date.now() / 1_000)
    const results: LeakResult[] = []
    // A JWT under a key of this store is of its server, by whatever name that was reached.
    for (const [issuer, tokens] of Map.groupBy(found, issuerOf)) {
      const keys = await readKeys({ store, issuer, kek })
      const reported = tokens.map((token) => ({ token, url, source }))
      results.push(
        await takeBackLeaked(store, { issuer, keys, now }, { reporter: operator, initiator: 'admin', reported }),
      )
    }
    return sum(results)
  })
}

function issuerOf(text: string): string {
  try {
    return readString(parseClaims(decodeUnverifiedJws(text).payload), 'iss') ?? ''
  } catch (error) {
    if (error instanceof Refusal) return ''
    throw error
  }
}

function sum(results: readonly LeakResult[]): LeakResult {
  const counts = { ended: 0, dead: 0, unknown: 0, checksum: 0, unrecognised: 0, repeated: 0 }
  for (const result of results)
    for (const name of Object.keys(counts) as (keyof typeof counts)[]) counts[name] += result.counts[name]
  return { ended: results.flatMap(({ ended }) => ended), counts }
}

/** What it means that something ended. */
const endings: Readonly<Record<LeakResult['ended'][number]['ended'], string>> = {
  grant: 'the grant, its refresh token and all that was issued for it',
  token: 'that one token',
  authorization_code: 'the code, before it was exchanged',
  device_code: 'the device code, before it was exchanged',
  session: 'the session of that browser',
  client_secret: 'the secret, and every token and grant of its client',
  api_key: 'the key, and all that was given for it',
  shared_secret: 'the shared secret: add a new one with arctos resource new-secret --in 0',
}

const nothings: Readonly<Record<Exclude<keyof LeakResult['counts'], 'ended' | 'repeated'>, string>> = {
  dead: 'ended before, or ran out by itself: nothing to take back',
  unknown: 'well-formed, but unknown here: removed before, or made at another store',
  checksum: 'has a wrong checksum: mistyped, cut off or made up',
  unrecognised: 'neither a secret of Arctos nor a JWT of this server',
}

function formatResult({ ended, counts }: LeakResult): readonly string[] {
  const lines = ended.map((each) => {
    const whose = [each.client && `client ${each.client}`, each.user && `user ${each.user}`].filter(Boolean).join(', ')
    return `ended ${each.ended} ${each.id}${whose === '' ? '' : ` of ${whose}`}: ${endings[each.ended]}`
  })
  const rest = Object.entries(nothings)
    .map(([name, meaning]) => ({ count: counts[name as keyof typeof nothings], meaning }))
    .filter(({ count }) => count > 0)
    .map(({ count, meaning }) => `${count} ${meaning}`)
  return [...lines, ...rest]
}
