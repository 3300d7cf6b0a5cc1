/** A cookie of this package: what it is called and how it is set and cleared. */
export interface Cookie {
  readonly name: string
  /** The value in a request; `undefined` where it is absent, malformed or there twice. */
  read(request: Request): string | undefined
  /** The `Set-Cookie` that sets it. */
  set(value: string): string
  /** The `Set-Cookie` that takes it away. */
  readonly clear: string
}

export interface CookieOptions {
  readonly name: string
  /** Without TLS, which only loopback may be, browsers take neither `Secure` nor the prefix. */
  readonly isSecure: boolean
  readonly sameSite: 'Strict' | 'Lax'
  readonly lifetimeSeconds: number
}

// 256 random bits in base64url.
const valueForm = /^[\w-]{43}$/

/**
 * A cookie that no script reads or plants, no other host gets and no subdomain can plant: HttpOnly, Secure, the whole host and
 * nothing but it. `__Host-Http-` says all of that to browsers that know it, and to others what `__Host-` says (RFC 10017 §6.1.3.2).
 */
export function createCookie({ name, isSecure, sameSite, lifetimeSeconds }: CookieOptions): Cookie {
  const fullName = isSecure ? `__Host-Http-${name}` : name
  const attributes = `Path=/; HttpOnly${isSecure ? '; Secure' : ''}; SameSite=${sameSite}`
  return {
    name: fullName,
    read(request) {
      const pairs = (request.headers.get('cookie') ?? '').split(';').map((pair) => pair.trim())
      // Two of one name: the second may come from somebody who can set cookies for a path of this host.
      const [value, ...more] = pairs.flatMap((pair) =>
        pair.startsWith(`${fullName}=`) ? [pair.slice(fullName.length + 1)] : [],
      )
      return value !== undefined && more.length === 0 && valueForm.test(value) ? value : undefined
    },
    set: (value) => `${fullName}=${value}; Max-Age=${lifetimeSeconds}; ${attributes}`,
    clear: `${fullName}=; Max-Age=0; ${attributes}`,
  }
}
