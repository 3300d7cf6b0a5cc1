import { createReadStream, existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { readKeys, readOwnJwt, readReceiptKeys } from '@arctos/authorization-server'
import { explainRefusal, formatExplanation, openReceipt, type Step } from '@arctos/core'
import { readJournalLine, resourceServer } from '@arctos/resource-server'
import type { Command } from 'commander'
import { isDevelopment, openAnyKey } from '../key-file.ts'
import { configurationOf, placeOf, type RawOptions, withStore } from '../open.ts'
import { CommandError, iso, paint, readSecret, report } from '../terminal.ts'
import { gather, storeCommand } from './options.ts'

interface ExplainOptions extends RawOptions {
  readonly journal?: string
  readonly audience?: string
  readonly scope?: readonly string[]
  readonly jwksUri?: string
  readonly typ?: string
  readonly json?: boolean
}

export function registerExplain(program: Command): void {
  storeCommand(program, 'explain', 'say why a request was refused, or what a guard thinks of a token', [
    'keyFile',
    'issuer',
  ])
    .argument('[receipt]', 'the Arctos-Receipt of a refused request')
    .option('--journal <FILE>', "look the receipt up in a guard's own lines; - reads stdin")
    .option('--audience <URI>', 'run the checks of the guard of this resource on a token from stdin, a prompt or @FILE')
    .option('--scope <WORD>', 'a scope that the guard asks for; repeatable', gather)
    .option('--jwks-uri <URL>', 'where the keys of the issuer are; by default its metadata says so')
    .option('--typ <TYP>', 'at+jwt or JWT')
    .action(async (argument: string | undefined, options: ExplainOptions) => {
      if (options.audience !== undefined) return await explainToken(argument, options, options.audience)
      if (argument === undefined) throw new CommandError('give a receipt, or --audience and a token on stdin')
      if (options.journal !== undefined) return await explainFromJournal(argument, options.journal, options.json)
      return await explainReceipt(argument, options)
    })
}

async function explainReceipt(receipt: string, options: ExplainOptions): Promise<void> {
  const content = await withStore(options, async (store, configuration) =>
    openReceipt(await readReceiptKeys(store, openAnyKey(configuration, placeOf(configuration).dataDir)), receipt),
  )
  if (content === undefined) {
    throw new CommandError(
      'no key of this store opens that receipt: it is from elsewhere, altered, or older than 7 days. That of a guard is in its journal: --journal FILE',
    )
  }
  const explanation = explainRefusal(content.reason, content.facts)
  const about = [
    `at        ${iso(content.at)}`,
    ...(content.owner === undefined ? [] : [`client    ${content.owner}`]),
    ...(content.audience === undefined ? [] : [`resource  ${content.audience}`]),
  ].map((line) => `  ${line}`)
  report(options.json, { ...content, ...explanation }, [...formatExplanation(explanation), ...about])
}

async function explainFromJournal(receipt: string, file: string, json: boolean | undefined): Promise<void> {
  const input = file === '-' ? process.stdin : createReadStream(file)
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    const refusal = readJournalLine(line)
    if (refusal?.receipt !== receipt) continue
    report(json, refusal, [
      ...formatExplanation(refusal),
      `  at        ${iso(refusal.at)}`,
      `  request   ${refusal.method} ${refusal.path}`,
    ])
    return
  }
  throw new CommandError('the journal has no such receipt; one of the server itself is read without --journal')
}

/** Runs the guard's own steps on a token, and prints each. Exit code 1 when the guard would refuse it. */
async function explainToken(argument: string | undefined, options: ExplainOptions, audience: string): Promise<void> {
  const { issuer = 'http://localhost:4000' } = configurationOf(options)
  const scopes = options.scope ?? []
  const { jwksUri, typ } = options
  if (typ !== undefined && typ !== 'at+jwt' && typ !== 'JWT')
    throw new CommandError(`--typ: ${typ} is not allowed; it must be at+jwt or JWT`)
  const api = resourceServer({
    resource: audience,
    authorizationServers: [issuer],
    scopes: Object.fromEntries(scopes.map((word) => [word, word])),
    jwksUri,
    typ,
  })
  const token = await readSecret('token', argument)
  const judged = await api.explain(token.reveal(), scopes.length === 0 ? {} : { scope: scopes })
  const isLive = await askStore(token.reveal(), issuer, options)
  const steps = withoutRepeats(judged).flatMap((step) =>
    step.check === 'revocation' ? revocationStep(isLive) : [step],
  )
  const passed = steps.every((step) => step.passed)
  if (!passed) process.exitCode = 1
  report(options.json, { passed, steps, isLive }, [
    ...steps.map(formatStep),
    ...(isLive === undefined ? ['Nobody was asked whether it was taken back: run this where its server runs.'] : []),
  ])
}

/** Whether a JWT is live for the store that it was made with; `undefined` where that store or its key is not at hand. */
async function askStore(token: string, issuer: string, options: ExplainOptions): Promise<boolean | undefined> {
  const configuration = configurationOf(options)
  const { database, dataDir } = placeOf(configuration)
  const { key, keyFile } = configuration
  const hasKey = key !== undefined || keyFile !== undefined || isDevelopment(configuration, dataDir)
  if (!hasKey || (configuration.database === undefined && !existsSync(database))) return undefined
  return await withStore(options, async (store) => {
    const keys = await readKeys({ store, issuer, kek: openAnyKey(configuration, dataDir) })
    const facts = readOwnJwt({ issuer, keys }, token)
    return facts && (await store.introspectJwt(facts))
  })
}

/** Guards look at some claims before the signature as well, where that spares them the work. */
function withoutRepeats(steps: readonly Step[]): readonly Step[] {
  const texts = steps.map((step) => JSON.stringify(step))
  return steps.filter((_, at) => texts.lastIndexOf(texts[at] ?? '') === at)
}

/** The guard of this command has heard of nothing that was taken back: what it says of that is not worth a line. */
function revocationStep(isLive: boolean | undefined): readonly Step[] {
  if (isLive === undefined) return []
  const sides = { expected: 'live at its server', received: isLive ? 'live' : 'taken back' }
  const reason = isLive ? undefined : 'token.revoked'
  return [{ check: 'revocation', passed: isLive, spec: 'RFC 7662 §2.2', reason, ...sides }]
}

/** A number as large as the time of day is one. */
function shown(value: Step['expected']): string {
  return typeof value === 'number' && value > 1e9 && value < 1e10 ? iso(value) : String(value ?? 'nothing')
}

function formatStep({ check, passed, expected, received, spec }: Step): string {
  const mark = passed ? paint('green', 'ok  ') : paint('red', 'FAIL')
  const sides = passed || expected === undefined ? '' : `  expected ${shown(expected)}, received ${shown(received)}`
  // What was received is the sender's text: it must not draw on the terminal.
  return `${mark}  ${check.padEnd(20)} ${paint('dim', spec)}${sides.replace(/[^\x20-\x7e]/g, '?')}`
}
