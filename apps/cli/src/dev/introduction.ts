import { codeChallengeOf, formatExplanation } from '@arctos/core'
import type { RefusalReport } from '@arctos/resource-server'
import { defaultDataDir } from '../open.ts'
import { paint } from '../terminal.ts'
import type { FirstCalls } from './first-calls.ts'
import { redirectUri, type Samples, sampleUserScope } from './samples.ts'

/** A fixed verifier for the sample flow, so that both of its halves can be printed. */
const sampleVerifier = 'sample-verifier-for-trying-the-flow-by-hand-only'

export interface Introduction {
  readonly issuer: string
  readonly dataDir: string
  readonly samples: Samples
  readonly calls: FirstCalls
  readonly refusal: RefusalReport | undefined
  /** Whether the servers stay, so that there is something to try. */
  readonly isStaying: boolean
}

/** What `arctos dev` prints once everything runs and both calls were made. */
export function introduce({ issuer, dataDir, samples, calls, refusal, isStaying }: Introduction): readonly string[] {
  const { accepted, refused, takenBack } = calls
  return [
    '',
    `${paint('bold', 'Arctos')}  authorization server and sample API`,
    '',
    `  issuer      ${paint('cyan', issuer)}`,
    `  sample API  ${paint('cyan', samples.apiUrl)}`,
    '',
    `  ${paint(accepted.status === 200 ? 'green' : 'red', `GET  /notes  ${accepted.status}`)}  ${accepted.body}`,
    `  ${paint(refused.status === 403 ? 'yellow' : 'red', `POST /notes  ${refused.status}`)}  ${refused.body}`,
    ...(refusal === undefined ? [] : formatExplanation(refusal).map((line) => `    ${paint('dim', line)}`)),
    '',
    `  That token was taken back. The API checks tokens by itself, and ${takenBack.afterMs.toFixed(0)} ms later it said:`,
    `  ${paint(takenBack.status === 401 ? 'yellow' : 'red', `GET  /notes  ${takenBack.status}`)}  ${takenBack.body}`,
    '',
    ...(isStaying ? thingsToTry(issuer, dataDir, samples) : []),
  ]
}

function thingsToTry(issuer: string, dataDir: string, samples: Samples): readonly string[] {
  return [
    paint('bold', 'Repeat them'),
    ...curlLines(issuer, samples),
    '',
    paint('bold', 'Take tokens back'),
    ...takeBackLines(issuer, dataDir, samples),
    '',
    paint('bold', 'Try the user flow'),
    `  open  ${authorizationUrl(issuer, samples)}`,
    `  sign in as  ${samples.username}  with password  ${samples.password.reveal()}  (for this data directory only)`,
    `  the code arrives at ${redirectUri}; redeem it with:`,
    `  curl -s ${issuer}/token -d grant_type=authorization_code -d client_id=${samples.publicClientId} -d redirect_uri=${redirectUri} -d code_verifier=${sampleVerifier} -d code=CODE`,
    '',
    `  ${paint('dim', 'Refusals of the sample API are explained here as they happen. Ctrl-C ends.')}`,
    '',
  ]
}

/** A command line that gets a token, to be put into another. */
function tokenOf(issuer: string, { client }: Samples): string {
  return `$(curl -s -u '${client.id}:${client.secret.reveal()}' -d grant_type=client_credentials -d scope=read ${issuer}/token | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`
}

function curlLines(issuer: string, samples: Samples): readonly string[] {
  const { apiUrl } = samples
  const token = tokenOf(issuer, samples)
  return [
    `  curl -si ${apiUrl} -H "Authorization: Bearer ${token}"`,
    `  curl -si -X POST ${apiUrl} -H "Authorization: Bearer ${token}"`,
  ]
}

/** A token by its client, and everything of a client by whoever runs the server. */
function takeBackLines(issuer: string, dataDir: string, samples: Samples): readonly string[] {
  const { client, apiUrl } = samples
  const place = dataDir === defaultDataDir ? '' : ` --data-dir '${dataDir}'`
  return [
    `  TOKEN=${tokenOf(issuer, samples)}`,
    `  curl -s -u '${client.id}:${client.secret.reveal()}' -d "token=$TOKEN" ${issuer}/revoke`,
    `  curl -si ${apiUrl} -H "Authorization: Bearer $TOKEN"`,
    '  or everything that the client holds:',
    `  npx arctos revoke --client ${client.id}${place}`,
  ]
}

function authorizationUrl(issuer: string, samples: Samples): string {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: samples.publicClientId,
    redirect_uri: redirectUri,
    scope: sampleUserScope,
    state: 'by-hand',
    code_challenge: codeChallengeOf(sampleVerifier),
    code_challenge_method: 'S256',
  })
  return `${issuer}/authorize?${query}`
}
