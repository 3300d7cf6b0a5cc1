import { formatScope, type JsonObject, readNumber, readString, resourceKey } from '@arctos/core'
import { readJson } from './answer.ts'
import { postForm, type Registration } from './endpoint.ts'
import { ClientError, OAuthError, Unavailable } from './errors.ts'
import { readResources } from './login.ts'
import { readScopeOption } from './options.ts'
import { isSecureUrl } from './secure-url.ts'
import type { SessionState } from './session-state.ts'
import { requestToken, type TokenAnswer } from './token-answer.ts'

/** What the user needs to see. All of it is printable ASCII, and the addresses are safe to open and to draw as a QR code. */
export interface DeviceCode {
  /** What the user types, and compares: show it also beside a QR code (RFC 8628 §3.3.1). */
  readonly userCode: string
  /** Where it is typed. */
  readonly verificationUri: string
  /** The same with the code filled in, for a QR code; not every server has it. */
  readonly verificationUriComplete: string | undefined
  /** Epoch seconds. */
  readonly expiresAt: number
}

export interface DeviceLoginOptions {
  /** What the tokens are for (RFC 8707 §2). The first one gets its token at once, others when they are first called. */
  readonly resource: string | readonly string[]
  /** With `offline_access` the session outlives its first access token. */
  readonly scope?: string
  /** Shows the code to the user, and returns when it is shown. Prints it on standard error when absent. */
  readonly onCode?: (code: DeviceCode) => unknown
  /** Gives up waiting for the user. */
  readonly signal?: AbortSignal
}

export const deviceGrantType = 'urn:ietf:params:oauth:grant-type:device_code'
const slowDownSeconds = 5
const pauseLimitSeconds = 60

/**
 * Logs a user in on a device that has no browser (RFC 8628). Call it when the user asks for it, not when a program starts
 * (RFC 8628 §3.1): each call makes a code that a user could be talked into.
 */
export async function logInDevice(registration: Registration, options: DeviceLoginOptions): Promise<SessionState> {
  options.signal?.throwIfAborted()
  const resources = readResources(options.resource)
  const scope = readScopeOption(options.scope)
  const asked = { scope: scope.length === 0 ? undefined : formatScope(scope), resource: resources }
  const answer = await postForm(registration, 'deviceAuthorizationEndpoint', asked, {
    attempts: 'several',
    secrets: [],
  })
  const started = readStarted(readJson(answer), registration, answer.sentAt)
  options.signal?.throwIfAborted()
  await (options.onCode ?? printCode)(started.shown)
  const tokens = await poll(registration, started, { resource: resources[0], scope, signal: options.signal })
  return {
    issuer: registration.issuer,
    clientId: registration.clientId,
    scope: tokens.accessToken.scope,
    refreshToken: tokens.refreshToken,
    accessTokens: { [resourceKey(resources[0])]: tokens.accessToken },
    asked: { resources, scope },
    ended: undefined,
  }
}

function printCode({ userCode, verificationUri }: DeviceCode): void {
  // On stderr, so that a program whose output is piped on can still ask its user.
  console.error(`To log in, open ${verificationUri} on any device and enter the code ${userCode}`)
}

interface Started {
  readonly deviceCode: string
  readonly intervalSeconds: number
  readonly shown: DeviceCode
}

const printable = /^[\x20-\x7e]+$/
const deviceCodeLimit = 4_096
const userCodeLimit = 64
/** Whatever a server says, nobody waits longer. */
const lifetimeLimitSeconds = 3_600
const usualIntervalSeconds = 5

/** Everything in the answer is shown to a person or sent back, so nothing that is not as it has to be gets further. RFC 8628 §3.2 */
function readStarted(json: JsonObject | undefined, { issuer }: Registration, sentAt: number): Started {
  const refuse = (why: string): ClientError =>
    new ClientError('answer_refused', `the device authorization answer of ${issuer} is refused: ${why}`)
  if (json === undefined) throw refuse('it is not a JSON object sent as application/json')
  const deviceCode = readString(json, 'device_code') ?? ''
  if (deviceCode.length > deviceCodeLimit || !printable.test(deviceCode)) throw refuse('it has no device_code')
  const userCode = readString(json, 'user_code') ?? ''
  if (userCode.length > userCodeLimit || !printable.test(userCode)) throw refuse('its user_code cannot be shown')
  const isSafe = (url: string | undefined): url is string =>
    url !== undefined && isSecureUrl(url) && !(issuer.startsWith('https:') && url.startsWith('http:'))
  const verificationUri = readString(json, 'verification_uri')
  if (!isSafe(verificationUri)) throw refuse('its verification_uri is not safe to open')
  const verificationUriComplete = readString(json, 'verification_uri_complete')
  if (json['verification_uri_complete'] !== undefined && !isSafe(verificationUriComplete))
    throw refuse('its verification_uri_complete is not safe to open')
  const lifetimeSeconds = readNumber(json, 'expires_in')
  if (lifetimeSeconds === undefined || !(lifetimeSeconds > 0)) throw refuse('its expires_in is no time')
  const interval = readNumber(json, 'interval')
  return {
    deviceCode,
    // RFC 8628 §3.2: 5 s where the server does not say, or says what makes no sense.
    intervalSeconds: interval !== undefined && interval > 0 ? interval : usualIntervalSeconds,
    shown: {
      userCode,
      verificationUri,
      verificationUriComplete,
      expiresAt: sentAt + Math.min(lifetimeSeconds, lifetimeLimitSeconds),
    },
  }
}

interface Polling {
  readonly resource: string
  readonly scope: readonly string[]
  readonly signal: AbortSignal | undefined
}

/** Asks until the user has decided, no oftener than the server likes and no longer than the code lives. RFC 8628 §3.5 */
async function poll(
  registration: Registration,
  { deviceCode, intervalSeconds, shown }: Started,
  { resource, scope, signal }: Polling,
): Promise<TokenAnswer> {
  let interval = intervalSeconds
  let pause = interval
  for (;;) {
    await waitUntilNextPoll(registration, pause, shown.expiresAt, signal)
    try {
      return await requestToken(registration, {
        parameters: { grant_type: deviceGrantType, device_code: deviceCode, resource },
        secretParameters: ['device_code'],
        attempts: 'one',
        scope,
      })
    } catch (error) {
      if (error instanceof Unavailable) {
        // RFC 8628 §3.5: polls less often after a connection timeout, by doubling, and as `Retry-After` says.
        pause = Math.max(Math.min(pause * 2, Math.max(interval * 2, pauseLimitSeconds)), error.retryAfterSeconds ?? 0)
        continue
      }
      interval = intervalAfter(error, interval)
      pause = interval
    }
  }
}

/** How long to wait after an error that asks to come again; throws every other one, for it ends the polling. */
function intervalAfter(error: unknown, intervalSeconds: number): number {
  if (!(error instanceof OAuthError)) throw error
  switch (error.error) {
    case 'authorization_pending':
      return intervalSeconds
    case 'slow_down':
      return intervalSeconds + slowDownSeconds
    case 'expired_token':
      throw timeout()
    default:
      throw error
  }
}

async function waitUntilNextPoll(
  { environment }: Registration,
  pauseSeconds: number,
  expiresAt: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const leftSeconds = expiresAt - environment.nowSeconds()
  const isLast = pauseSeconds >= leftSeconds
  await waitFor(environment.wait, Math.max(0, Math.min(pauseSeconds, leftSeconds)) * 1_000, signal)
  if (isLast) throw timeout()
}

/** Waits, unless the caller gives up; then it throws the caller's reason. */
async function waitFor(
  wait: (durationMs: number, signal?: AbortSignal) => Promise<unknown>,
  durationMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (signal === undefined) {
    await wait(durationMs)
    return
  }
  signal.throwIfAborted()
  const given = Promise.withResolvers<never>()
  const abort = (): void => given.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    const waiting = wait(durationMs, signal)
    // It may reject in its own words when the signal fires; the caller's reason is the one that counts.
    waiting.catch(() => undefined)
    await Promise.race([given.promise, waiting])
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function timeout(): ClientError {
  return new ClientError('login_timeout', 'nobody entered the code while it was good')
}
