import { isLoopbackIssuer } from './issuer.ts'

const lengthLimit = 2_000

/** Whether a URL can be pushed to at all: https, or http on loopback; neither user information nor fragment (SSF §6.1.1). */
export function isPushEndpoint(text: string): boolean {
  const url = urlOf(text)
  if (url === undefined) return false
  return url.protocol === 'https:' || isLoopbackIssuer(text)
}

/**
 * Whether a URL lies at or below one of those that the operator allowed: nobody else decides where this server sends requests. Both
 * sides are read by the parser that `fetch` uses, so that `..` and its encodings are gone before anything is compared.
 */
export function isAllowedEndpoint(allowed: readonly string[], text: string): boolean {
  const url = urlOf(text)
  if (url === undefined || !isPushEndpoint(text)) return false
  return allowed.some((each) => {
    const root = urlOf(each)
    if (root === undefined || root.origin !== url.origin) return false
    if (root.pathname === url.pathname) return root.search === '' || root.search === url.search
    const folder = root.pathname.endsWith('/') ? root.pathname : `${root.pathname}/`
    return url.pathname.startsWith(folder)
  })
}

function urlOf(text: string): URL | undefined {
  if (text.length > lengthLimit || !URL.canParse(text) || text.includes('#')) return undefined
  const url = new URL(text)
  return url.username === '' && url.password === '' ? url : undefined
}
