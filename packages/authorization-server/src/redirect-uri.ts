const lengthLimit = 2_000

// RFC 3986 characters and nothing else: no backslash, no space, no fragment, nothing that a browser would mend.
const characters = /^[\w.~:/?@!$&'()*+,;=%[\]-]+$/
const webAuthority = /^(https?):\/\/([A-Za-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?(?:[/?]|$)/
const privateUse = /^[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:\//
const loopbackHosts = ['127.0.0.1', '[::1]', 'localhost']

/**
 * Whether a URI can be registered to send users back to: absolute, without fragment and user information
 * (RFC 6749 §3.1.2); https, or http on loopback (RFC 8252 §7.3), or a private-use scheme that begins with a reversed
 * domain (RFC 8252 §7.1), which leaves out `javascript:` and its like.
 */
export function isRedirectUri(uri: string): boolean {
  if (uri.length > lengthLimit || !characters.test(uri)) return false
  const [, scheme, host] = webAuthority.exec(uri) ?? []
  if (scheme === undefined || host === undefined) return privateUse.test(uri)
  return (scheme === 'https' || loopbackHosts.includes(host)) && URL.canParse(uri)
}

/**
 * Whether the URI that a request names is registered: the same bytes (RFC 6749 §3.1.2.3, RFC 9700 §2.1). Only a
 * loopback address may have another port, for a program cannot choose the one it gets (RFC 8252 §7.3); `localhost` too,
 * as MCP clients register it. No parser decides here: two parsers that disagree are how codes go astray.
 */
export function isRegistered(registered: readonly string[], requested: string): boolean {
  if (registered.includes(requested)) return true
  const wanted = loopbackParts(requested)
  if (wanted?.port === undefined) return false
  return registered.some((uri) => {
    const known = loopbackParts(uri)
    return known !== undefined && known.origin === wanted.origin && known.rest === wanted.rest
  })
}

/** Whether users are sent to a program on their own computer, so that nobody can tell which one it is. */
export function isLoopbackRedirect(uri: string): boolean {
  return loopbackParts(uri) !== undefined
}

/** Where a user is sent, as the consent page shows it: the host, or the scheme that an app has claimed. */
export function redirectHost(uri: string): string {
  return /^https?:/.test(uri) ? new URL(uri).host : uri.slice(0, uri.indexOf(':'))
}

/**
 * What a content security policy has to list so that a form may end at this URI. Chromium also checks where the answer
 * to a form redirects to. An IPv6 address cannot be written there, so its whole scheme is.
 */
export function formActionSource(uri: string): string {
  if (!/^https?:/.test(uri)) return uri.slice(0, uri.indexOf(':') + 1)
  const { origin, protocol } = new URL(uri)
  return origin.includes('[') ? protocol : origin
}

interface LoopbackParts {
  readonly origin: string
  readonly port: number | undefined
  readonly rest: string
}

const loopback = /^(http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost))(?::([1-9]\d{0,4}))?((?:[/?].*)?)$/s

function loopbackParts(uri: string): LoopbackParts | undefined {
  const [, origin, digits, rest] = loopback.exec(uri) ?? []
  if (origin === undefined || rest === undefined) return undefined
  const port = digits === undefined ? undefined : Number(digits)
  return port !== undefined && port > 65_535 ? undefined : { origin, port, rest }
}
