import { opaqueAccessKey } from '@arctos/authorization-server'
import { secretPatterns } from '@arctos/core'
import type { Command } from 'commander'
import { formatInspection, inspectToken } from '../inspection.ts'
import { type RawOptions, withStore } from '../open.ts'
import { chosenProfile } from '../sessions/profiles.ts'
import { withSession } from '../sessions/session.ts'
import { CommandError, print, readSecret, report, table } from '../terminal.ts'
import { sessionCommand, storeCommand } from './options.ts'

interface TokenOptions {
  readonly name?: string
  readonly resource?: string
  readonly json?: boolean
}

export function registerToken(program: Command): void {
  const token = sessionCommand(program, 'token', 'print an access token of your session, for curl; or inspect one')
    .option('--resource <URL>', 'API that it is for; the first one of the login when absent')
    .enablePositionalOptions()
    .option('--json', 'print JSON')
    .action(async ({ name, resource, json }: TokenOptions) => {
      const found = await withSession(chosenProfile(name), (session, { resources }) =>
        session.accessToken({ resource: resource ?? resources[0] }),
      )
      report(json, { access_token: found.reveal(), token_type: 'Bearer' }, [found.reveal()])
    })
  storeCommand(token, 'inspect', 'say what a token or secret is, offline; read from stdin, a prompt or @FILE')
    .argument('[token]', '@FILE')
    .option('--live', 'ask the store of this machine as well whether an opaque access token is live')
    .action(inspect)
  token
    .command('patterns')
    .description('print how scanners find the secrets of Arctos')
    .option('--json', 'as configuration of TruffleHog (which takes JSON for YAML)')
    .option('--toml', 'as configuration of Gitleaks')
    .action(({ json, toml }: { readonly json?: boolean; readonly toml?: boolean }) => {
      if (toml) print(gitleaksRules())
      else report(json, truffleHogDetectors(), table(['name', 'regular expression'], secretPatterns.map(rowOf)))
    })
}

async function inspect(argument: string | undefined, options: RawOptions): Promise<void> {
  const text = (await readSecret('token', argument)).reveal()
  const found = inspectToken(text)
  if (found.form === 'none') throw new CommandError(`this is neither a secret of Arctos nor a JWT (${found.why})`)
  const live = options['live'] === true ? await askStore(text, options) : undefined
  if (found.form === 'opaque' && found.checksum === 'wrong') process.exitCode = 1
  const lines = formatInspection(found, Math.floor(Date.now() / 1_000))
  report(Boolean(options['json']), live === undefined ? found : { ...found, live }, [
    ...lines,
    ...(live === undefined ? [] : [`live         ${live}`]),
  ])
}

async function askStore(text: string, options: RawOptions): Promise<boolean> {
  const key = opaqueAccessKey(text)
  if (key === undefined)
    throw new CommandError('--live is for opaque access tokens; for a JWT: arctos explain --audience URI')
  return await withStore(options, async (store) => (await store.introspectOpaque(key)) !== undefined)
}

function rowOf({ id, regex }: (typeof secretPatterns)[number]): readonly string[] {
  return [id, regex]
}

function truffleHogDetectors(): object {
  return {
    detectors: secretPatterns.map(({ id, description, keywords, regex }) => ({
      name: id,
      description,
      keywords,
      regex: { [id]: regex },
    })),
  }
}

/** Literal strings of TOML: nothing in an expression has to be escaped. */
function gitleaksRules(): string {
  return secretPatterns
    .map(({ id, description, regex, keywords }) => {
      const list = keywords.map((word) => `"${word}"`).join(', ')
      return `[[rules]]\nid = "${id}"\ndescription = "${description}"\nregex = '''${regex}'''\nkeywords = [${list}]`
    })
    .join('\n\n')
}
