const decodings = 4

/**
 * The URL at the API for a path below the prefix, or `undefined` for one that could leave the API's place (RFC 10017 §6.1.3.6).
 *
 * @param rest what follows the prefix: empty, or beginning with a slash
 */
export function proxiedUrl(base: string, rest: string, search: string): URL | undefined {
  if (walksUp(rest)) return undefined
  const root = base.replace(/\/$/, '')
  if (!URL.canParse(`${root}${rest}${search}`)) return undefined
  const url = new URL(`${root}${rest}${search}`)
  return isBelow(url, root) ? url : undefined
}

/** Whether a URL is the base or lies below it. */
export function isBelow(url: URL, base: string): boolean {
  const root = new URL(base)
  const prefix = root.pathname.replace(/\/$/, '')
  const isInside = url.pathname === prefix || url.pathname.startsWith(`${prefix}/`)
  return url.origin === root.origin && url.username === '' && url.password === '' && isInside && !walksUp(url.pathname)
}

/** Whether `..` is in it, for anyone who decodes it, once or more often, or takes a backslash for a slash. */
function walksUp(path: string): boolean {
  let text = path
  for (let count = 0; count < decodings; count++) {
    if (text.split(/[/\\]/).some((segment) => segment === '..' || segment === '.')) return true
    if ([...text].some((character) => character < ' ' || character === '\u007f')) return true
    const decoded = text.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
    if (decoded === text) return false
    text = decoded
  }
  // Nobody writes like this who has nothing to hide.
  return true
}
