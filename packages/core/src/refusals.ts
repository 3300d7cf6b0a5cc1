/**
 * The one table of refusals. Everything Arctos says no to is a row here: what goes on the wire, which clause demands it, and
 * what the person reading the explanation should do. `docs/refusals.md` is generated from it.
 *
 * Rows that an attacker could use to tell two cases apart share one sentence, one code and one status.
 */

/** What one refusal looks like, on the wire and in an explanation. */
export interface RefusalRow {
  /** The `error` code on the wire; empty where the specification asks for none (RFC 6750 §3.1). */
  readonly code: string
  /** HTTP status. */
  readonly status: number
  /** The fixed sentence on the wire (`error_description`); never holds anything that was received. */
  readonly sentence: string
  /** The clause that asks for this answer. */
  readonly spec: string
  /** What to do about it, for whoever may read the explanation. */
  readonly fix: string
  /**
   * Who may read the explanation besides the operator: `owner` = the client that proved itself, `nobody` = the operator alone.
   * Rows that would tell a client about users, other clients or thresholds are for the operator.
   */
  readonly readers: 'owner' | 'nobody'
}

const badRequest = { code: 'invalid_request', status: 400, readers: 'owner' } as const
const badClient = {
  code: 'invalid_client',
  status: 401,
  sentence: 'Client authentication failed.',
  readers: 'nobody',
} as const
const badGrant = {
  code: 'invalid_grant',
  status: 400,
  sentence: 'The code or refresh token is invalid, expired, spent or was issued to another client.',
} as const
/** RFC 8693 §2.2.2 has `invalid_request` for a subject token that is no good, and not `invalid_grant`. */
const badKey = {
  code: 'invalid_request',
  status: 400,
  sentence: 'The subject token is invalid, expired or was revoked.',
  readers: 'nobody',
} as const
const badScope = { code: 'invalid_scope', status: 400, readers: 'owner' } as const
const badTarget = { code: 'invalid_target', status: 400, readers: 'owner' } as const
const badToken = {
  code: 'invalid_token',
  status: 401,
  sentence: 'The access token is invalid, expired or was revoked.',
  readers: 'owner',
} as const
/** RFC 6750 has one code for a good token that does not permit the request; RFC 9396 adds none for resource servers. */
const lacksPermission = {
  code: 'insufficient_scope',
  status: 403,
  sentence: 'The access token does not permit this request.',
  readers: 'owner',
} as const
const weakAuthentication = {
  code: 'insufficient_user_authentication',
  status: 401,
  sentence: 'The request needs another or a more recent authentication of the user.',
  readers: 'owner',
} as const
/** Whoever makes up a report learns nothing of what was wrong with it. */
const badReport = {
  code: 'access_denied',
  status: 403,
  sentence: 'The report is not signed by anybody who may report here.',
  readers: 'nobody',
} as const
const unavailable = {
  code: 'temporarily_unavailable',
  status: 503,
  sentence: 'The request cannot be decided now. Try again later.',
  readers: 'owner',
} as const

export const refusals = {
  // ---- the request itself
  'request.malformed': {
    ...badRequest,
    sentence: 'The request is malformed.',
    spec: 'RFC 6749 §5.2',
    fix: 'Send an application/x-www-form-urlencoded body in UTF-8, percent-encoded, without control characters.',
  },
  'request.content_type': {
    ...badRequest,
    sentence: 'The body must be application/x-www-form-urlencoded.',
    spec: 'RFC 6749 §4.1.3',
    fix: 'Set Content-Type: application/x-www-form-urlencoded, without a Content-Encoding.',
  },
  'request.duplicate_parameter': {
    ...badRequest,
    sentence: 'A parameter is repeated.',
    spec: 'RFC 6749 §3.2',
    fix: 'Send each parameter once; only resource and audience may be repeated.',
  },
  'request.missing_parameter': {
    ...badRequest,
    sentence: 'A required parameter is missing.',
    spec: 'RFC 6749 §5.2',
    fix: 'Add the parameter that is named as expected.',
  },
  'request.invalid_parameter': {
    ...badRequest,
    sentence: 'A parameter has a value that is not allowed.',
    spec: 'RFC 6749 §5.2',
    fix: 'Correct the parameter that is named as expected.',
  },
  'request.too_large': {
    ...badRequest,
    status: 413,
    sentence: 'The request is too large.',
    spec: 'RFC 9110 §15.5.14',
    fix: 'Send at most 64 KiB and at most 100 parameters.',
  },
  'request.method': {
    ...badRequest,
    status: 405,
    sentence: 'The method is not allowed here.',
    spec: 'RFC 6749 §3.2',
    fix: 'Use a method that the Allow header lists.',
  },
  'request.not_acceptable': {
    ...badRequest,
    status: 406,
    sentence: 'There is no answer of a type that the request accepts.',
    spec: 'RFC 9110 §15.5.7',
    fix: 'Accept the media type that is named as expected.',
  },
  'request.not_offered': {
    ...badRequest,
    status: 501,
    sentence: 'What the request asks for is not offered.',
    spec: 'RFC 9110 §15.6.2',
    fix: 'Leave out the parameter that is named as received.',
  },
  'request.limited': {
    code: 'temporarily_unavailable',
    status: 429,
    sentence: 'Too many attempts. Try again later.',
    readers: 'nobody',
    spec: 'RFC 6749 §10.10',
    fix: 'Wait for the time that Retry-After names.',
  },

  // ---- client authentication
  'client.missing': {
    ...badClient,
    spec: 'RFC 6749 §3.2.1',
    fix: 'Authenticate the client with the method it was registered for.',
  },
  'client.unknown': {
    ...badClient,
    spec: 'RFC 6749 §5.2',
    fix: 'Check the client_id; `arctos client list` shows the registered ones.',
  },
  'client.secret_wrong': {
    ...badClient,
    spec: 'RFC 6749 §2.3.1',
    fix: 'Check the secret; with HTTP Basic, form-encode id and secret first. Make another one with `arctos client secret add`.',
  },
  'client.method_mismatch': {
    ...badClient,
    spec: 'RFC 6749 §2.3',
    fix: 'Use the authentication method that the client was registered for, and only that one.',
  },
  'client.several_methods': {
    ...badClient,
    spec: 'RFC 6749 §2.3',
    fix: 'Send one client authentication: header, body or assertion.',
  },
  'client.disabled': {
    ...badClient,
    spec: 'RFC 6749 §5.2',
    fix: 'The client was disabled; enable it with `arctos client update --enable`.',
  },
  'client.assertion_invalid': {
    ...badClient,
    spec: 'RFC 7523 §3',
    fix: 'Sign the assertion with a registered key; iss and sub are the client_id, exp at most 5 minutes ahead, jti present.',
  },
  'client.assertion_audience': {
    ...badClient,
    spec: 'RFC 10070',
    fix: 'Set aud to the issuer identifier, as a single string.',
  },
  'client.assertion_replayed': {
    ...badClient,
    spec: 'RFC 7523 §3',
    fix: 'Make a new assertion, with a new jti, for every request.',
  },
  'client.grant_type_not_allowed': {
    code: 'unauthorized_client',
    status: 400,
    sentence: 'The client may not use this grant type.',
    readers: 'owner',
    spec: 'RFC 6749 §5.2',
    fix: 'Register the grant type for the client, or use another one. client_credentials needs a confidential client.',
  },
  'grant_type.unsupported': {
    code: 'unsupported_grant_type',
    status: 400,
    sentence: 'The grant type is not supported.',
    readers: 'owner',
    spec: 'RFC 6749 §5.2',
    fix: 'Use one of grant_types_supported in the server metadata.',
  },
  'introspection.anonymous': {
    ...badClient,
    status: 400,
    spec: 'RFC 9701 §5',
    fix: 'Only callers that prove who they are may ask about tokens. Send a secret or an assertion with the request.',
  },

  // ---- scope and resource
  'scope.malformed': {
    ...badScope,
    sentence: 'The scope is malformed.',
    spec: 'RFC 6749 §3.3',
    fix: 'Separate scope words by single spaces; no quotes, backslashes or characters outside printable ASCII.',
  },
  'scope.unknown': {
    ...badScope,
    sentence: 'The scope is unknown or not allowed for this client.',
    spec: 'RFC 6749 §5.2',
    fix: 'Ask for scopes that the resource declares and the client is registered for.',
  },
  'scope.exceeds_grant': {
    ...badScope,
    sentence: 'The scope exceeds what was granted.',
    spec: 'RFC 6749 §6',
    fix: 'Ask for the granted scope or less; more needs a new authorization.',
  },
  'resource.malformed': {
    ...badTarget,
    sentence: 'The resource is not an absolute URI without fragment.',
    spec: 'RFC 8707 §2',
    fix: 'Use the resource identifier that the API publishes (RFC 9728).',
  },
  'resource.unknown': {
    ...badTarget,
    sentence: 'The resource is unknown or not allowed.',
    spec: 'RFC 8707 §2',
    fix: 'Register the resource with `arctos resource create`, and check its spelling.',
  },
  'resource.exceeds_grant': {
    ...badTarget,
    sentence: 'The resource was not part of the authorization.',
    spec: 'RFC 8707 §2.2',
    fix: 'Ask for a resource that was authorized, or start a new authorization.',
  },

  // ---- authorization codes
  'code.unknown': {
    ...badGrant,
    readers: 'owner',
    spec: 'RFC 6749 §5.2',
    fix: 'Start a new authorization; the code is not one of ours, or was issued to another client.',
  },
  'code.expired': {
    ...badGrant,
    readers: 'owner',
    spec: 'RFC 6749 §4.1.2',
    fix: 'Redeem the code within 60 seconds.',
  },
  'code.spent': {
    ...badGrant,
    readers: 'owner',
    spec: 'RFC 6749 §4.1.2',
    fix: 'A code is redeemed once and never sent again. The grant it gave was ended.',
  },
  'code.redirect_uri_mismatch': {
    ...badGrant,
    readers: 'owner',
    spec: 'RFC 6749 §4.1.3',
    fix: 'Send the redirect_uri of the authorization request, or none.',
  },
  'code.verifier_wrong': {
    ...badGrant,
    readers: 'owner',
    spec: 'RFC 7636 §4.6',
    fix: 'Send the code_verifier whose S256 challenge began the authorization.',
  },
  'code.too_many_attempts': {
    ...badGrant,
    readers: 'nobody',
    spec: 'RFC 6749 §10.10',
    fix: 'Ten exchanges of this code failed, so it was spent. Start a new authorization.',
  },

  // ---- device codes
  'device.pending': {
    code: 'authorization_pending',
    status: 400,
    sentence: 'The user has not decided yet.',
    readers: 'owner',
    spec: 'RFC 8628 §3.5',
    fix: 'Ask again after the interval that the device authorization answer named.',
  },
  'device.slow_down': {
    code: 'slow_down',
    status: 400,
    sentence: 'The user has not decided yet, and the client asks too often.',
    readers: 'owner',
    spec: 'RFC 8628 §3.5',
    fix: 'Wait 5 seconds longer between two polls from now on, each time this is answered.',
  },
  'device.denied': {
    code: 'access_denied',
    status: 400,
    sentence: 'The user refused the access.',
    readers: 'owner',
    spec: 'RFC 8628 §3.5',
    fix: 'Nothing to mend: the user said no.',
  },
  'device.expired': {
    code: 'expired_token',
    status: 400,
    sentence: 'The device code has expired.',
    readers: 'owner',
    spec: 'RFC 8628 §3.5',
    fix: 'Nobody entered the user code within 10 minutes. Begin again when the user asks for it.',
  },
  'device.unknown': {
    ...badGrant,
    readers: 'owner',
    spec: 'RFC 8628 §3.5',
    fix: 'Begin again; the device code is not one of ours, was issued to another client, or was taken back by its user.',
  },
  'device.spent': {
    ...badGrant,
    readers: 'owner',
    spec: 'RFC 8628 §3.5',
    fix: 'A device code gives tokens once. If their answer was lost, begin again.',
  },

  // ---- refresh tokens
  'refresh.malformed': {
    ...badGrant,
    readers: 'owner',
    spec: 'RFC 6749 §5.2',
    fix: 'The refresh token was not made by this server, or was cut or altered.',
  },
  'refresh.unknown': {
    ...badGrant,
    readers: 'owner',
    spec: 'RFC 6749 §6',
    fix: 'The refresh token is not known here, or belongs to another client.',
  },
  'refresh.ended': {
    ...badGrant,
    readers: 'owner',
    spec: 'RFC 6749 §6',
    fix: 'The grant has ended. Start a new authorization.',
  },
  'refresh.expired': {
    ...badGrant,
    readers: 'owner',
    spec: 'RFC 9700 §4.14.2',
    fix: 'The grant reached its idle or absolute limit. Start a new authorization.',
  },
  'refresh.principal_disabled': {
    ...badGrant,
    readers: 'nobody',
    spec: 'RFC 9700 §4.14.2',
    fix: 'The user or client was disabled or cut off after the grant was made.',
  },
  'refresh.reused': {
    ...badGrant,
    readers: 'owner',
    spec: 'RFC 9700 §4.14.2',
    fix: 'A refresh token was used again after its successor: it may have been copied. The grant was ended; start a new authorization.',
  },
  'refresh.forked': {
    ...badGrant,
    readers: 'nobody',
    spec: 'RFC 9700 §4.14.2',
    fix: 'A well-made token does not match its family: keys or database may have leaked. The grant was ended.',
  },
  'store.rolled_back': {
    ...unavailable,
    readers: 'nobody',
    spec: 'RFC 6749 §5.2',
    fix: 'The database is older than a token it issued: it was restored from a backup. Run `arctos recover --lost-window`.',
  },

  // ---- API keys and personal access tokens, where they are exchanged
  'exchange.unsupported': {
    ...badRequest,
    sentence: 'A token exchange of this kind is not offered.',
    spec: 'RFC 8693 §2.2.2',
    fix: 'Exchange a key (subject_token_type urn:arctos:params:oauth:token-type:api_key) for an access token.',
  },
  'api_key.malformed': {
    ...badKey,
    spec: 'RFC 8693 §2.2.2',
    fix: 'The key was not made by this server, or was cut or altered. Keys begin with arctos_ak_ or arctos_pt_.',
  },
  'api_key.unknown': {
    ...badKey,
    spec: 'RFC 8693 §2.2.2',
    fix: 'The secret is of no key, or was removed, or the client that authenticated is not that of the key.',
  },
  'api_key.ended': {
    ...badKey,
    spec: 'RFC 8693 §2.2.2',
    fix: 'The key was revoked. Make a new one: arctos api-key create.',
  },
  'api_key.expired': {
    ...badKey,
    spec: 'RFC 8693 §2.2.2',
    fix: 'The key or this secret of it has expired. Rotate keys before they do: arctos api-key rotate.',
  },
  'api_key.owner_disabled': {
    ...badKey,
    spec: 'RFC 8693 §2.2.2',
    fix: 'The user or client was disabled or cut off after the key was made, or its resource is gone.',
  },

  // ---- the authorization endpoint
  'authorize.client_unknown': {
    ...badRequest,
    sentence: 'The client is unknown.',
    readers: 'nobody',
    spec: 'RFC 6749 §4.1.2.1',
    fix: 'Check the client_id. The user is not sent back, for the address cannot be trusted.',
  },
  'authorize.redirect_uri_invalid': {
    ...badRequest,
    sentence: 'The redirect_uri is not registered for this client.',
    readers: 'nobody',
    spec: 'RFC 6749 §3.1.2.4',
    fix: 'Register the exact redirect_uri; only the port of a loopback address may differ.',
  },
  'authorize.response_type_unsupported': {
    code: 'unsupported_response_type',
    status: 400,
    sentence: 'Only response_type=code is supported.',
    readers: 'owner',
    spec: 'RFC 6749 §4.1.2.1',
    fix: 'Use the authorization code flow.',
  },
  'authorize.client_not_allowed': {
    code: 'unauthorized_client',
    status: 400,
    sentence: 'The client may not use the authorization code grant.',
    readers: 'owner',
    spec: 'RFC 6749 §4.1.2.1',
    fix: 'Register the client for authorization_code.',
  },
  'authorize.pkce_missing': {
    ...badRequest,
    sentence: 'A code_challenge with code_challenge_method=S256 is required.',
    spec: 'RFC 7636 §4.4.1',
    fix: 'Use PKCE with S256; the method plain is not offered.',
  },
  'authorize.request_object_unsupported': {
    code: 'request_not_supported',
    status: 400,
    sentence: 'Request objects are not supported.',
    readers: 'owner',
    spec: 'RFC 9101 §6',
    fix: 'Send the parameters in the query.',
  },
  'authorize.login_required': {
    code: 'login_required',
    status: 400,
    sentence: 'The user is not signed in.',
    readers: 'owner',
    spec: 'OpenID Connect Core §3.1.2.6',
    fix: 'Ask again without prompt=none.',
  },
  'authorize.consent_required': {
    code: 'consent_required',
    status: 400,
    sentence: 'The user has not agreed to this access.',
    readers: 'owner',
    spec: 'OpenID Connect Core §3.1.2.6',
    fix: 'Ask again without prompt=none.',
  },
  'authorize.authentication_unmet': {
    code: 'unmet_authentication_requirements',
    status: 400,
    sentence: 'None of the requested ways to authenticate is available here.',
    readers: 'owner',
    spec: 'RFC 9470 §5',
    fix: 'Ask for one of acr_values_supported in the metadata, or have the API accept one of them.',
  },
  'authorize.denied': {
    code: 'access_denied',
    status: 400,
    sentence: 'The user refused the access.',
    readers: 'owner',
    spec: 'RFC 6749 §4.1.2.1',
    fix: 'Nothing to mend: the user said no.',
  },
  'page.forged_form': {
    code: 'access_denied',
    status: 403,
    sentence: 'This form was not sent from its own page, or is too old. Go back and try again.',
    readers: 'nobody',
    spec: 'RFC 9700 §4.7',
    fix: 'Reload the page and send its form from the same browser.',
  },
  'page.sign_in_failed': {
    code: 'access_denied',
    status: 403,
    sentence: 'The user name or password is wrong.',
    readers: 'nobody',
    spec: 'RFC 6749 §10.10',
    fix: 'Check user name and password; `arctos user password` sets a new one.',
  },
  'page.user_code_wrong': {
    code: 'access_denied',
    status: 403,
    sentence: 'This code is not known here, or is no longer good. Compare it with your device, or begin again there.',
    readers: 'nobody',
    spec: 'RFC 8628 §5.1',
    fix: 'The user code was mistyped, expired, or answered already; five wrong ones a minute are looked at.',
  },
  'leak.unsigned': {
    ...badReport,
    spec: 'RFC 9110 §15.5.4',
    fix: 'Send the identifier of your key and the signature over the body, in the headers that were agreed on.',
  },
  'leak.key_unknown': {
    ...badReport,
    spec: 'RFC 9110 §15.5.4',
    fix: 'The reporter does not publish a key of that identifier at the configured address. Somebody may be making up reports.',
  },
  'leak.signature': {
    ...badReport,
    spec: 'RFC 9110 §15.5.4',
    fix: 'Sign the bytes of the body as they are sent, by ECDSA with SHA-256. The report was altered on its way, or is made up.',
  },
  'leak.keys_unavailable': {
    ...unavailable,
    readers: 'nobody',
    spec: 'RFC 9110 §15.6.4',
    fix: 'The keys of the reporter could not be had from the configured address. Check keysUrl, and the way out from here.',
  },
  'leak.malformed': {
    ...badRequest,
    readers: 'nobody',
    sentence: 'The report is malformed.',
    spec: 'RFC 9110 §15.5.1',
    fix: 'Send a JSON array of objects with token, type, url and source: 10000 at the most.',
  },
  'leak.too_large': {
    ...badRequest,
    readers: 'nobody',
    status: 413,
    sentence: 'The report is too large.',
    spec: 'RFC 9110 §15.5.14',
    fix: 'Send at most 1 MiB; divide a longer report.',
  },

  'page.not_found': {
    code: 'not_found',
    status: 404,
    sentence: 'There is nothing here.',
    readers: 'nobody',
    spec: 'RFC 9110 §15.5.5',
    fix: 'Use the endpoints that the server metadata lists.',
  },

  // ---- protected resources
  'credentials.missing': {
    code: '',
    status: 401,
    sentence: '',
    readers: 'nobody',
    spec: 'RFC 6750 §3.1',
    fix: 'Send the access token as Authorization: Bearer.',
  },
  'credentials.malformed': {
    ...badRequest,
    sentence: 'The access token is not sent in a form that can be read.',
    spec: 'RFC 6750 §3.1',
    fix: 'Send exactly one token: Authorization: Bearer TOKEN, or one parameter access_token where the resource takes that.',
  },
  'credentials.multiple': {
    ...badRequest,
    sentence: 'The request carries more than one credential.',
    spec: 'RFC 6750 §2',
    fix: 'Send the access token once, in the Authorization header only.',
  },
  'token.malformed': {
    ...badToken,
    spec: 'RFC 7515 §5.2',
    fix: 'The token is not a strict compact JWS, or not one of ours. Get a new one.',
  },
  'token.type': {
    ...badToken,
    spec: 'RFC 9068 §4',
    fix: 'Send an access token (typ at+jwt), not an ID token or another kind of JWT.',
  },
  'token.algorithm': {
    ...badToken,
    spec: 'RFC 8725 §3.1',
    fix: 'The token is not signed with the algorithm of the key it names.',
  },
  'token.key_unknown': {
    ...badToken,
    spec: 'RFC 9068 §4',
    fix: 'No key of the issuer has this kid: another issuer, or the key was withdrawn.',
  },
  'token.signature': {
    ...badToken,
    spec: 'RFC 9068 §4',
    fix: 'The signature does not fit the token: it was altered, or made by another key.',
  },
  'token.issuer': {
    ...badToken,
    spec: 'RFC 9068 §4',
    fix: 'Get the token from the authorization server that this API trusts.',
  },
  'token.audience': {
    ...badToken,
    spec: 'RFC 9068 §4',
    fix: 'Ask for a token with resource= this API; the token at hand was made for another one.',
  },
  'token.expired': {
    ...badToken,
    spec: 'RFC 9068 §4',
    fix: 'Get a new token; if it is fresh, compare the clocks of both machines.',
  },
  'token.issued_in_future': { ...badToken, spec: 'RFC 7519 §4.1.6', fix: 'Compare the clocks of issuer and API.' },
  'token.claim_invalid': {
    ...badToken,
    spec: 'RFC 9068 §2.2',
    fix: 'A required claim is missing or has the wrong type. Check the issuer.',
  },
  'token.sender_constrained': {
    ...badToken,
    spec: 'RFC 9449 §7.1',
    fix: 'The token is bound to a key; it cannot be used as a plain Bearer token.',
  },
  'token.revoked': {
    ...badToken,
    spec: 'RFC 6750 §3.1',
    fix: 'The token, or the grant that it came from, was ended. Start a new authorization.',
  },
  'token.cut_off': {
    ...badToken,
    readers: 'nobody',
    spec: 'RFC 6750 §3.1',
    fix: 'Tokens issued before a certain time were ended: of the user, the client, an actor, or all. Get a new token; a user signs in again.',
  },
  'token.inactive': {
    ...badToken,
    spec: 'RFC 7662 §2.2',
    fix: 'The issuer says that the token is not active: expired, revoked, or not for this API.',
  },
  'token.scope': {
    code: 'insufficient_scope',
    status: 403,
    sentence: 'The access token lacks a scope that this request needs.',
    readers: 'owner',
    spec: 'RFC 6750 §3.1',
    fix: 'Ask for a token with the scope that is named as expected.',
  },
  'token.authorization_details': {
    ...lacksPermission,
    spec: 'RFC 6750 §3.1',
    fix: 'Ask for a token whose authorization_details (RFC 9396) hold, in one object, what is named as expected.',
  },
  'token.actor': {
    ...lacksPermission,
    spec: 'RFC 8693 §4.1',
    fix: 'Get the token by way of an actor that this request allows, or without any: the policy of the route says which.',
  },
  'token.authentication_context': {
    ...weakAuthentication,
    spec: 'RFC 9470 §3',
    fix: 'Send the user to the authorization server with the acr_values of the challenge, and call again with the new token.',
  },
  'token.authentication_age': {
    ...weakAuthentication,
    spec: 'RFC 9470 §3',
    fix: 'Send the user to the authorization server with the max_age of the challenge, and call again with the new token. A token without auth_time cannot say how old its authentication is.',
  },
  'token.status_unknown': {
    ...badToken,
    spec: 'RFC 6750 §3.1',
    fix: 'The token names no entry of a status list, or one that the list does not have. Check the issuer, and whether the API has to demand it.',
  },
  'status.unavailable': {
    ...unavailable,
    spec: 'RFC 9110 §15.6.4',
    fix: 'The status list of the token could not be had, or could not be trusted. Check the address and the answer of the list at the issuer.',
  },
  'keys.unavailable': {
    ...unavailable,
    spec: 'RFC 9110 §15.6.4',
    fix: 'The keys of the issuer could not be loaded. Check the network from the API to the authorization server.',
  },
  'introspection.unavailable': {
    ...unavailable,
    spec: 'RFC 7662 §2.3',
    fix: 'The issuer could not be asked about the token. Check its address and the introspection credential.',
  },
  'revocation.unsynced': {
    ...unavailable,
    spec: 'RFC 9110 §15.6.4',
    fix: 'The guard does not know yet what was taken back. `api.revocationStatus()` names the last problem: the address of the authorization server, or the credential of `revocations`.',
  },
  'revocation.stale': {
    ...unavailable,
    spec: 'RFC 9110 §15.6.4',
    fix: 'The revocation feed has been silent for longer than this route allows. `api.revocationStatus()` names the last problem; `staleAfterSeconds`, `unavailableAfterSeconds` and `whenStale` say what is allowed.',
  },

  // ---- the feed of security events
  'feed.malformed': {
    ...badRequest,
    sentence: 'The request is malformed.',
    spec: 'RFC 8936 §2.6',
    fix: 'Send one JSON object of at most 64 KiB; the member that is named has another type or value than the specification says.',
  },
  'feed.not_receiver': {
    code: 'access_denied',
    status: 403,
    sentence: 'This client may not receive events.',
    readers: 'owner',
    spec: 'OpenID SSF §8.1.1.1',
    fix: 'Register the client for it: `arctos client create --receives-events`, or use the credential of a resource server.',
  },
  'feed.stream_unknown': {
    code: 'not_found',
    status: 404,
    sentence: 'There is no such stream.',
    readers: 'owner',
    spec: 'OpenID SSF §8.1.1.2',
    fix: 'The stream was never made, belongs to another client, was deleted, or was not used for its inactivity_timeout. Create one.',
  },
  'feed.too_many_streams': {
    ...badRequest,
    status: 409,
    sentence: 'This receiver has as many streams as it may have.',
    spec: 'OpenID SSF §8.1.1.1',
    fix: 'Delete streams that nobody uses, or wait until their inactivity_timeout removes them. One process needs one stream.',
  },
  'feed.delivery_refused': {
    ...badRequest,
    sentence: 'Events cannot be delivered this way, or not to this address.',
    spec: 'OpenID SSF §8.1.1.1',
    fix: 'Use urn:ietf:rfc:8936, or urn:ietf:rfc:8935 with an endpoint_url at or below one that is registered: `arctos client update --push-endpoint`.',
  },
  'feed.property_mismatch': {
    ...badRequest,
    sentence: 'A property that the transmitter decides has another value.',
    spec: 'OpenID SSF §8.1.1.3',
    fix: 'Leave out the property that is named, or send it as the stream has it.',
  },
  'feed.too_soon': {
    ...badRequest,
    code: 'temporarily_unavailable',
    status: 429,
    sentence: 'Verification was asked for too often. Try again later.',
    spec: 'OpenID SSF §8.1.4.2',
    fix: 'Wait for min_verification_interval between two requests.',
  },

  // ---- our own faults
  'store.unavailable': {
    ...unavailable,
    spec: 'RFC 9110 §15.6.4',
    fix: 'The database did not answer in time or refused the write. Retry with the same request.',
  },
  'server.fault': {
    code: 'server_error',
    status: 500,
    sentence: 'The server failed to answer.',
    readers: 'nobody',
    spec: 'RFC 6749 §4.1.2.1',
    fix: 'A fault of ours: the journal has the details under the same receipt.',
  },
} as const satisfies Record<string, RefusalRow>

/** The name of a refusal: a key of the table. */
export type Reason = keyof typeof refusals

/** The row of a reason, widened to the common shape. */
export function refusalRow(reason: Reason): RefusalRow {
  return refusals[reason]
}

/** Whether a text names a row of the table (receipts and journals come from outside). */
export function isReason(text: string): text is Reason {
  return Object.hasOwn(refusals, text)
}
