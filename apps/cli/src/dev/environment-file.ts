import { existsSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { ConfigurationError } from '../configuration.ts'
import {
  redirectUri,
  type Samples,
  samplePushEndpoint,
  sampleScope,
  sampleScope2,
  sampleUserScope,
  sampleWriteScope,
} from './samples.ts'

/** Throws unless the file can be made: better before anything is started than after. */
export function checkEnvironmentFile(file: string): void {
  const folder = dirname(file)
  if (!existsSync(folder)) throw new ConfigurationError(`--write-env: the folder ${folder} does not exist`)
  if (existsSync(file) && statSync(file).isDirectory()) throw new ConfigurationError(`--write-env: ${file} is a folder`)
}

/** Writes a dotenv file that a shell can source: quoted, mode 0600, there whole or not at all. */
export function writeEnvironmentFile(file: string, issuer: string, samples: Samples): void {
  const values: Readonly<Record<string, string>> = {
    ISSUER: issuer,
    AUDIENCE: samples.audience,
    API_URL: samples.apiUrl,
    SCOPE: sampleScope,
    SCOPE_WRITE: sampleWriteScope,
    AUDIENCE2: samples.audience2,
    SCOPE2: sampleScope2,
    CLIENT_ID: samples.client.id,
    CLIENT_SECRET: samples.client.secret.reveal(),
    CLIENT2_ID: samples.client2.id,
    CLIENT2_SECRET: samples.client2.secret.reveal(),
    PUBLIC_CLIENT_ID: samples.publicClientId,
    DEVICE_CLIENT_ID: samples.deviceClientId,
    REDIRECT_URI: redirectUri,
    USER_SCOPE: sampleUserScope,
    USERNAME: samples.username,
    PASSWORD: samples.password.reveal(),
    RS_CLIENT_ID: samples.resourceServer.id,
    RS_CLIENT_SECRET: samples.resourceServer.secret.reveal(),
    PUSH_ENDPOINT: samplePushEndpoint,
    RS2_ID: samples.resourceServer2.id,
    RS2_SECRET: samples.resourceServer2.secret.reveal(),
    PKJWT_CLIENT_ID: samples.keyClientId,
    PKJWT_PRIVATE_JWK: samples.keyClientPrivateJwk.reveal(),
    SUBJECT_TOKEN: samples.apiKey.reveal(),
    SUBJECT_TOKEN_TYPE: 'urn:arctos:params:oauth:token-type:api_key',
  }
  const text = Object.entries(values)
    .map(([name, value]) => `${name}=${quote(value)}\n`)
    .join('')
  const draft = `${file}.${process.pid}.tmp`
  rmSync(draft, { force: true })
  writeFileSync(draft, text, { mode: 0o600, flag: 'wx' })
  renameSync(draft, file)
}

function quote(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`
}
