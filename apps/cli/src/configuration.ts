import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import {
  issuerProblem,
  type LeakReporter,
  type SigningAlgorithm,
  signingAlgorithms,
} from '@arctos/authorization-server'
import { type SecretEnvironment, secretEnvironments } from '@arctos/core'
import { parse } from 'yaml'
import { z } from 'zod'

/** A value of the configuration that is not allowed; the message names the key, where it came from, the value and the rule. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
}

interface Field {
  /** Name in the YAML file; `--kebab-case` is the flag and `ARCTOS_UPPER_CASE` the environment variable. */
  readonly key: string
  readonly placeholder: string
  readonly meaning: string
  readonly allowed: string
  readonly schema: z.ZodType
  /** A rule that its schema cannot say; the answer ends the message. */
  readonly problem?: (value: string) => string | undefined
  /** Its value must not be shown. */
  readonly secret?: boolean
}

const port = z.coerce.number().int().min(0).max(65_535)
const seconds = z.coerce.number().int().min(0).max(31_536_000)
const lifetime = z.coerce.number().int().min(1).max(31_536_000)
const text = z.string().min(1).max(4_000)
const truth = z.union([z.boolean(), z.stringbool()])
const list = z.union([z.array(text), text.transform((value) => value.split(',').map((part) => part.trim()))])
const ranges = list.refine((values) => values.every(isAddressOrRange))

const reporters = z
  .array(
    z.strictObject({
      name: text,
      keysUrl: text,
      keyIdentifierHeader: text.optional(),
      signatureHeader: text.optional(),
    }),
  )
  .max(20)

/** An environment variable has no lists. */
function parseJson(value: string): unknown {
  try {
    return JSON.parse(value)
  } catch {
    return undefined
  }
}

function isAddressOrRange(value: string): boolean {
  const [address = '', bits, ...rest] = value.split('/')
  // A zone names an interface of this machine; lists of addresses have none.
  const family = address.includes('%') ? 0 : isIP(address)
  if (family === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

const fields = [
  {
    key: 'port',
    placeholder: 'N',
    meaning: 'port to listen on',
    allowed: 'a whole number from 0 to 65535',
    schema: port,
  },
  {
    key: 'hosts',
    placeholder: 'A,B',
    meaning: 'addresses to listen on',
    allowed: 'addresses, separated by commas',
    schema: list,
  },
  { key: 'dataDir', placeholder: 'DIR', meaning: 'folder of the embedded database', allowed: 'a path', schema: text },
  {
    key: 'issuer',
    placeholder: 'URL',
    meaning: 'issuer identifier',
    allowed: 'https://HOST, or http on loopback; no trailing slash',
    schema: text,
    problem: issuerProblem,
  },
  {
    key: 'database',
    placeholder: 'URL',
    meaning: 'SQLite path or postgres:// URL',
    allowed: 'a path or a postgres:// URL',
    schema: text,
    secret: true,
  },
  {
    key: 'databaseConnections',
    placeholder: 'N',
    meaning: 'connections to PostgreSQL',
    allowed: 'a whole number from 1 to 500',
    schema: z.coerce.number().int().min(1).max(500),
  },
  {
    key: 'keyFile',
    placeholder: 'FILE',
    meaning: 'file (mode 0600) with the key-encryption key',
    allowed: 'a path',
    schema: text,
  },
  {
    key: 'key',
    placeholder: 'KEY',
    meaning: 'the key-encryption key itself',
    allowed: '32 bytes as base64url (43 characters)',
    schema: text,
    secret: true,
  },
  {
    key: 'environment',
    placeholder: 'ENV',
    meaning: 'what secrets made here say of themselves: arctos_… or arctos_test_…',
    allowed: secretEnvironments.join(', '),
    schema: z.enum(secretEnvironments),
  },
  {
    key: 'signingAlgorithm',
    placeholder: 'ALG',
    meaning: 'algorithm of access tokens',
    allowed: signingAlgorithms.join(', '),
    schema: z.enum(signingAlgorithms),
  },
  {
    key: 'defaultResource',
    placeholder: 'URI',
    meaning: 'audience of requests without resource',
    allowed: 'a registered resource identifier',
    schema: text,
  },
  { key: 'tlsCert', placeholder: 'FILE', meaning: 'certificate chain (PEM)', allowed: 'a path', schema: text },
  {
    key: 'tlsKey',
    placeholder: 'FILE',
    meaning: 'private key of the certificate (PEM)',
    allowed: 'a path',
    schema: text,
  },
  {
    key: 'trustedProxies',
    placeholder: 'A,B',
    meaning: 'proxies whose X-Forwarded-For is believed',
    allowed: 'addresses or CIDR ranges, separated by commas',
    schema: ranges,
  },
  {
    key: 'durableStorage',
    placeholder: 'BOOL',
    meaning: 'the database survives the loss of this machine',
    allowed: 'true or false',
    schema: truth,
  },
  {
    key: 'retryWindowSeconds',
    placeholder: 'N',
    meaning: 'how long a public client may retry a refresh',
    allowed: 'seconds, 0 is strict',
    schema: seconds,
  },
  {
    key: 'endReplayStreaks',
    placeholder: 'BOOL',
    meaning: 'end a refresh family when three generations running were retried',
    allowed: 'true or false',
    schema: truth,
  },
  {
    key: 'refreshIdleSeconds',
    placeholder: 'N',
    meaning: 'how long a refresh token may rest',
    allowed: 'a whole number of seconds, 1 at least',
    schema: lifetime,
  },
  {
    key: 'refreshAbsoluteSeconds',
    placeholder: 'N',
    meaning: 'how long a grant lives at most',
    allowed: 'a whole number of seconds, 1 at least',
    schema: lifetime,
  },
  {
    key: 'experimentalTokenStatusList',
    placeholder: 'DRAFT',
    meaning: 'publish Token Status Lists (a draft)',
    allowed: 'draft-21, the only one that is implemented',
    schema: z.literal('draft-21'),
  },
  {
    key: 'experimentalStatusListTtlSeconds',
    placeholder: 'N',
    meaning: 'how old a status list may become',
    allowed: 'a whole number of seconds from 5 to 3600',
    schema: z.coerce.number().int().min(5).max(3_600),
  },
  {
    key: 'leakReporters',
    placeholder: 'JSON',
    meaning: 'who may report leaked secrets',
    allowed:
      'a list of {name, keysUrl}, each with keyIdentifierHeader and signatureHeader where they are not those of GitHub',
    schema: z.union([reporters, text.transform(parseJson).pipe(reporters)]),
  },
  {
    key: 'leakWebhook',
    placeholder: 'URL',
    meaning: 'where leaks that were taken back are told',
    allowed: 'https, or http on loopback',
    schema: text,
  },
  {
    key: 'leakWebhookSecret',
    placeholder: 'SECRET',
    meaning: 'what the webhook is signed with',
    allowed: 'whsec_ and 24 to 64 bytes in base64',
    schema: text,
    secret: true,
  },
] as const satisfies readonly Field[]

/** What flags, environment and file say, checked; absent where nothing does. */
export interface Configuration {
  readonly port?: number
  readonly hosts?: readonly string[]
  readonly dataDir?: string
  readonly issuer?: string
  readonly database?: string
  readonly databaseConnections?: number
  readonly keyFile?: string
  readonly key?: string
  readonly environment?: SecretEnvironment
  readonly signingAlgorithm?: SigningAlgorithm
  readonly defaultResource?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly trustedProxies?: readonly string[]
  readonly durableStorage?: boolean
  readonly retryWindowSeconds?: number
  readonly endReplayStreaks?: boolean
  readonly refreshIdleSeconds?: number
  readonly refreshAbsoluteSeconds?: number
  readonly experimentalTokenStatusList?: 'draft-21'
  readonly experimentalStatusListTtlSeconds?: number
  readonly leakReporters?: readonly LeakReporter[]
  readonly leakWebhook?: string
  readonly leakWebhookSecret?: string
}

export type ConfigurationKey = keyof Configuration

/** A flag for a command line. A secret has none: argv can be read by everybody on the machine. */
export interface Flag {
  readonly flag: string
  readonly meaning: string
}

/** The flags for these keys, as commander wants them. */
export function flagsFor(keys: readonly ConfigurationKey[]): readonly Flag[] {
  return fields
    .filter((field: Field) => keys.includes(field.key as ConfigurationKey) && field.key !== 'key')
    .map(({ key, placeholder, meaning }) => ({
      flag: `--${kebab(key)} <${placeholder}>`,
      meaning: `${meaning} (${variable(key)})`,
    }))
}

/**
 * Reads the configuration: a flag wins over the environment, the environment over the file. Throws {@link ConfigurationError}.
 *
 * @param flags values by key, as the command line gave them
 * @param file a YAML file with the same keys
 */
export function readConfiguration(
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
  file: string | undefined,
): Configuration {
  const settings = file === undefined ? {} : readFile(file)
  const configuration: Record<string, unknown> = {}
  for (const field of fields as readonly Field[]) {
    const { key } = field
    const sources: readonly (readonly [string, unknown])[] = [
      [`--${kebab(key)}`, flags[key]],
      [variable(key), environment[variable(key)] || undefined],
      [`${key} in ${file}`, settings[key]],
    ]
    const source = sources.find(([, value]) => value !== undefined)
    if (source !== undefined) configuration[key] = check(field, source[0], source[1])
  }
  return configuration
}

function readFile(file: string): Record<string, unknown> {
  let settings: unknown
  try {
    settings = parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new ConfigurationError(
      `configuration file ${file}: ${error instanceof Error ? error.message : 'cannot be read'}`,
    )
  }
  // A file of comments only.
  if (settings === null || settings === undefined) return {}
  if (typeof settings !== 'object') throw new ConfigurationError(`configuration file ${file}: not a list of keys`)
  const known = fields.map((field) => field.key as string)
  const unknown = Object.keys(settings).find((key) => !known.includes(key))
  if (unknown !== undefined) {
    throw new ConfigurationError(`configuration file ${file}: ${unknown} is no key; allowed are ${known.join(', ')}`)
  }
  return settings as Record<string, unknown>
}

function check({ schema, allowed, problem, secret }: Field, source: string, value: unknown): unknown {
  const result = schema.safeParse(value)
  const rule = result.success && problem?.(String(result.data))
  if (result.success && !rule) return result.data
  if (rule) throw new ConfigurationError(`${source}: ${JSON.stringify(value)} is not allowed; ${rule}`)
  throw new ConfigurationError(
    `${source}: ${secret ? 'the value' : JSON.stringify(value)} is not allowed; it must be ${allowed}`,
  )
}

function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

function variable(key: string): string {
  return `ARCTOS_${kebab(key).replaceAll('-', '_').toUpperCase()}`
}
