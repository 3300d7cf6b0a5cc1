import { isLoopbackIssuer } from '../issuer.ts'

/** Somebody whose word counts when it says that a secret leaked: a scanner, by the signature of its reports. */
export interface LeakReporter {
  /** Under which the audit log names it. */
  readonly name: string
  /**
   * Where it publishes its keys: `{"public_keys": [{"key_identifier": …, "key": PEM}]}`, ECDSA on P-256. Https, or http on
   * loopback; the operator's word, never a report's.
   */
  readonly keysUrl: string
  /** Header with the identifier of the key; that of GitHub by default. */
  readonly keyIdentifierHeader?: string | undefined
  /** Header with the signature over the body, DER in base64; that of GitHub by default. */
  readonly signatureHeader?: string | undefined
}

export const defaultKeyIdentifierHeader = 'github-public-key-identifier'
export const defaultSignatureHeader = 'github-public-key-signature'

/** Where a leak is told of, with a secret that only it and this server know. */
export interface LeakWebhook {
  readonly url: string
  /** `whsec_` and 24 to 64 bytes in base64, as the Standard Webhooks specification has it. */
  readonly secret: string
}

const header = /^[a-z0-9-]{1,100}$/i

/** Why reporters cannot be as they are configured. */
export function reporterProblem(reporters: readonly LeakReporter[]): string | undefined {
  for (const [at, reporter] of reporters.entries()) {
    const { name, keysUrl, keyIdentifierHeader, signatureHeader } = reporter
    if (!/^[\w .@-]{1,60}$/.test(name)) return `reporter ${at + 1}: a name has 1 to 60 letters, digits and . - _ @`
    const problem = addressProblem(keysUrl)
    if (problem !== undefined) return `reporter ${name}: keysUrl ${problem}`
    for (const each of [keyIdentifierHeader, signatureHeader])
      if (each !== undefined && !header.test(each))
        return `reporter ${name}: ${each.slice(0, 60)} is no name of a header`
  }
  if (new Set(reporters.map(({ name }) => name)).size < reporters.length) return 'two reporters have one name'
  return undefined
}

/** Why a webhook cannot be as it is configured. It never repeats the secret. */
export function webhookProblem({ url, secret }: LeakWebhook): string | undefined {
  const problem = addressProblem(url)
  if (problem !== undefined) return `the address ${problem}`
  return webhookSecretOf(secret) === undefined ? 'the secret must be whsec_ and 24 to 64 bytes in base64' : undefined
}

/** The bytes of a webhook's secret; `undefined` where it is none. */
export function webhookSecretOf(secret: string): Buffer | undefined {
  const text = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret)?.[1]
  const bytes = text === undefined ? undefined : Buffer.from(text, 'base64')
  return bytes !== undefined && bytes.byteLength >= 24 && bytes.byteLength <= 64 ? bytes : undefined
}

/** Plain http is for this machine: what is fetched decides whose word counts, and what is sent tells of leaks. */
function addressProblem(address: string): string | undefined {
  if (!URL.canParse(address)) return 'is not a URL'
  const url = new URL(address)
  if (url.username !== '' || url.password !== '') return 'must have no user name'
  return url.protocol === 'https:' || isLoopbackIssuer(address) ? undefined : 'must be https, or http on loopback'
}
