import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { ClientError, type Session } from '@arctos/client'
import type { Command } from 'commander'
import { explainAnswer } from '../sessions/answer-explanation.ts'
import { chosenProfile, type Profile } from '../sessions/profiles.ts'
import { loginCommand, withSession } from '../sessions/session.ts'
import { CommandError, readInput } from '../terminal.ts'
import { gather, sessionCommand } from './options.ts'

interface FetchOptions {
  readonly name?: string
  readonly request?: string
  readonly data?: string
  readonly header?: readonly string[]
  readonly resource?: string
}

const newline = 0x0a

export function registerFetch(program: Command): void {
  sessionCommand(program, 'fetch', "call an API with your session's token, which goes to that API only")
    .argument('<url>', 'below the API that you logged in for, or whole')
    .option('-X, --request <METHOD>', 'GET, or POST with a body')
    .option('-d, --data <TEXT>', 'body: text, @FILE, or @- for stdin; JSON is sent as JSON')
    .option('-H, --header <LINE>', 'a header as "Name: value"; repeatable', gather)
    .option('--resource <URL>', 'API to call, if the URL belongs to several')
    .addHelpText('after', '\nThe exit code is 0 after 2xx, else the first digit of the status.')
    .action(async (url: string, options: FetchOptions) => {
      const init = await readRequest(options)
      const place = chosenProfile(options.name)
      await withSession(place, async (session, profile) => {
        const response = await send(session, candidates(profile, url, options.resource), url, init)
        await show(response)
        if (response.ok) return
        process.exitCode = Math.floor(response.status / 100)
        for (const line of explainAnswer(response, { scope: session.scope, login: loginCommand(place) }))
          process.stderr.write(`${line}\n`)
      })
    })
}

/** The APIs that a URL may belong to: the first one for a relative URL, else the longest that fits. */
function candidates({ resources }: Profile, url: string, given: string | undefined): readonly string[] {
  if (given !== undefined) return [given]
  return URL.canParse(url) ? [...resources].sort((left, right) => right.length - left.length) : [resources[0]]
}

/** Sends to the first API that the URL is within; nothing is sent to the others, nor if there is none. */
async function send(session: Session, resources: readonly string[], url: string, init: RequestInit): Promise<Response> {
  let refusal: unknown
  for (const resource of resources) {
    try {
      return await session.fetch({ resource })(url, init)
    } catch (error) {
      if (!(error instanceof ClientError) || error.code !== 'outside_resource') throw describeFailure(error)
      refusal ??= error
    }
  }
  throw refusal
}

/** What fetch throws where nobody answers; its message alone says nothing. */
function describeFailure(error: unknown): unknown {
  if (!(error instanceof TypeError)) return error
  const cause = error.cause instanceof Error && 'code' in error.cause ? String(error.cause.code) : error.message
  return new CommandError(`the API gave no answer (${cause})`)
}

async function readRequest({ request, data, header = [] }: FetchOptions): Promise<RequestInit> {
  const headers = new Headers()
  for (const line of header) addHeader(headers, line)
  const body = data === undefined ? undefined : await readBody(data)
  if (body !== undefined && !headers.has('content-type')) headers.set('content-type', typeOf(body))
  const method = request ?? (body === undefined ? 'GET' : 'POST')
  if (!/^[A-Za-z]{1,20}$/.test(method)) throw new CommandError(`--request: ${JSON.stringify(method)} is no method`)
  return { method: method.toUpperCase(), headers, ...(body !== undefined && { body }) }
}

const credentialHeaders = ['authorization', 'proxy-authorization', 'cookie']

function addHeader(headers: Headers, line: string): void {
  const [, name = '', value = ''] = /^([^:]+):[ \t]*(.*)$/s.exec(line) ?? []
  if (credentialHeaders.includes(name.toLowerCase()))
    throw new CommandError(`--header: ${name} is not taken; the token of the session is sent without being asked for`)
  try {
    headers.append(name, value)
  } catch {
    throw new CommandError('--header: it must be "Name: value"')
  }
}

/** The whole body, so that it can be sent again if the token turns out to be no longer good. */
async function readBody(data: string): Promise<Uint8Array<ArrayBuffer>> {
  if (!data.startsWith('@')) return new TextEncoder().encode(data)
  return data === '@-' ? await readInput() : new Uint8Array(readFileSync(data.slice(1)))
}

function typeOf(body: Uint8Array): string {
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    return 'application/json'
  } catch {
    return 'application/octet-stream'
  }
}

/** The body as it comes, to stdout. Whoever reads it may stop early, as `head` does. */
async function show({ body, ok }: Response): Promise<void> {
  if (body === null) return
  let last: number | undefined
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of Readable.fromWeb(body as ReadableStream<Uint8Array>)) {
      last = chunk.at(-1) ?? last
      yield chunk
    }
  }
  try {
    await pipeline(chunks, process.stdout, { end: false })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPIPE')) throw describeFailure(error)
  }
  // What follows at the terminal, the prompt or a message, begins a line; the body itself stays as it is.
  if (last !== undefined && last !== newline && (process.stdout.isTTY || !ok)) process.stderr.write('\n')
}
