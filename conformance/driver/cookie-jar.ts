interface Cookie {
  readonly name: string
  readonly value: string
  readonly host: string
  readonly path: string
}

/** Keeps cookies as simple programs do: by host name and path, for the life of the jar. */
export interface CookieJar {
  readonly headerFor: (url: URL) => string | undefined
  readonly keep: (url: URL, setCookies: readonly string[]) => void
}

export function createCookieJar(): CookieJar {
  const jar = new Map<string, Cookie>()
  return {
    headerFor(url) {
      const pairs = [...jar.values()]
        .filter(({ host, path }) => host === url.hostname && isUnder(url.pathname, path))
        .map(({ name, value }) => `${name}=${value}`)
      return pairs.length === 0 ? undefined : pairs.join('; ')
    },
    keep(url, setCookies) {
      for (const line of setCookies) {
        const [pair = '', ...parts] = line.split(';').map((part) => part.trim())
        const equals = pair.indexOf('=')
        const name = pair.slice(0, equals)
        const attributes = new Map(
          parts.map((part) => part.split('=', 2)).map(([key = '', text = '']) => [key.toLowerCase(), text]),
        )
        // RFC 6265 §5.4, RFC 6265bis §5.7: curl and libraries drop these on plain http, loopback included.
        const needsTls = attributes.has('secure') || /^__(host|secure)-/i.test(name)
        if (equals < 1 || (needsTls && url.protocol !== 'https:')) continue
        const path = attributes.get('path') || '/'
        const key = `${url.hostname} ${path} ${name}`
        const isGone = attributes.get('max-age') === '0' || Date.parse(attributes.get('expires') ?? '') < Date.now()
        if (isGone) jar.delete(key)
        else jar.set(key, { name, value: pair.slice(equals + 1), host: url.hostname, path })
      }
    },
  }
}

function isUnder(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`)
}
