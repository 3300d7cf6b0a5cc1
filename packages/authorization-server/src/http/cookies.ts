const headerLengthLimit = 16_384
const pairLimit = 200

/** Cookies that only the browser and this server see. */
export type CookieName = 'arctos_session' | 'arctos_browser'

/**
 * The value of one cookie of ours, or `undefined`. A name that occurs twice counts as absent: the second one may have
 * been planted from a neighbouring host, and nobody can tell which is ours (RFC 6265 §8.6).
 */
export function readCookie(headers: Headers, name: CookieName, secure: boolean): string | undefined {
  const header = headers.get('cookie') ?? ''
  if (header.length > headerLengthLimit) return undefined
  const start = `${cookieName(name, secure)}=`
  const values = header
    .split(';', pairLimit)
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(start))
  return values.length === 1 ? values[0]?.slice(start.length) : undefined
}

/**
 * A `Set-Cookie` value for the life of the browser; the server's own record decides how long it counts. Off loopback
 * `__Host-` ties it to this very host over TLS; on http loopback browsers and tools would drop such a cookie.
 */
export function formatCookie(name: CookieName, value: string, secure: boolean): string {
  const attributes = 'Path=/; HttpOnly; SameSite=Lax'
  return `${cookieName(name, secure)}=${value}; ${attributes}${secure ? '; Secure' : ''}`
}

/** A `Set-Cookie` value that takes the cookie away. */
export function forgetCookie(name: CookieName, secure: boolean): string {
  return `${formatCookie(name, '', secure)}; Max-Age=0`
}

function cookieName(name: CookieName, secure: boolean): string {
  return secure ? `__Host-${name}` : name
}
