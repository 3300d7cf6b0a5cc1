/** Why a call of this package failed. The words are stable: switch on them. */
export type ClientErrorCode =
  /** An option cannot be used as it is given. */
  | 'invalid_option'
  /** The metadata names another issuer than the one that was asked. */
  | 'issuer_mismatch'
  /** The metadata is that of another resource than the one that was asked. */
  | 'resource_mismatch'
  /** The resource names no authorization server that the program allows. */
  | 'issuer_not_allowed'
  /** The metadata lacks what the call needs, or names an endpoint that is not safe to use. */
  | 'metadata_refused'
  /** What the authorization server answered is not an OAuth answer: HTML, too long, a redirect, an unknown token type. */
  | 'answer_refused'
  /** Nobody answered, or the answer was "not now". Nothing was lost: try again later. */
  | 'unavailable'
  /** The authorization server said no; {@link OAuthError} has its words. */
  | 'oauth_error'
  /** The user has to log in again. */
  | 'session_over'
  /** What the store holds is not a session of this client. */
  | 'store_refused'
  /** The store cannot be read or written now. Nothing was sent and nothing was lost. */
  | 'store_unavailable'
  /** The URL does not belong to the resource, so it gets no token. */
  | 'outside_resource'
  /** The answer that came to the loopback port is not the one that was asked for. */
  | 'callback_refused'
  /** Nobody finished the login in time. */
  | 'login_timeout'

/** Every error that this package makes. Its text never holds a token, a code or a secret. */
export class ClientError extends Error {
  override readonly name: string = 'ClientError'
  readonly code: ClientErrorCode

  constructor(code: ClientErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** What an error answer said besides its kind. */
export interface RefusedAnswer {
  /** HTTP status; `undefined` where the answer came through the browser. */
  readonly status: number | undefined
  /** The `Arctos-Receipt` header: `arctos explain RECEIPT` tells the cause. */
  readonly receipt: string | undefined
}

/** The authorization server understood, and said no (RFC 6749 §5.2, RFC 6749 §4.1.2.1). */
export class OAuthError extends ClientError implements RefusedAnswer {
  override readonly name = 'OAuthError'
  /** The error code of the specification, such as `invalid_client`. */
  readonly error: string
  /** The server's sentence for the developer, shortened, without anything that was sent. */
  readonly description: string | undefined
  readonly status: number | undefined
  readonly receipt: string | undefined

  constructor(error: string, description: string | undefined, answer: RefusedAnswer) {
    super('oauth_error', description === undefined ? error : `${error}: ${description}`)
    this.error = error
    this.description = description
    this.status = answer.status
    this.receipt = answer.receipt
  }
}

/** No answer, or 429 or 5xx. What was held is still held, and the same call may succeed later. */
export class Unavailable extends ClientError implements RefusedAnswer {
  override readonly name = 'Unavailable'
  /** What `Retry-After` asked for, if anything. */
  readonly retryAfterSeconds: number | undefined
  readonly status: number | undefined
  readonly receipt: string | undefined

  constructor(message: string, answer?: RefusedAnswer, retryAfterSeconds?: number) {
    super('unavailable', message)
    this.retryAfterSeconds = retryAfterSeconds
    this.status = answer?.status
    this.receipt = answer?.receipt
  }
}

/** The session cannot be renewed any more. `cause` is the server's {@link OAuthError}, where it was the server who said so. */
export class SessionOver extends ClientError {
  override readonly name = 'SessionOver'

  constructor(message: string, cause?: OAuthError) {
    super('session_over', message, cause === undefined ? undefined : { cause })
  }
}
