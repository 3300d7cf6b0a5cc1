const loopbackHosts = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Whether an issuer is on http and this machine only, where there is no TLS and cookies go without `Secure`. */
export function isLoopbackIssuer(issuer: string): boolean {
  const url = new URL(issuer)
  return url.protocol === 'http:' && loopbackHosts.has(url.hostname)
}

/** Throws unless a text can be an issuer identifier: https, or http on loopback, in the one spelling that is compared. RFC 8414 §2 */
export function checkIssuer(issuer: string): void {
  const problem = issuerProblem(issuer)
  if (problem !== undefined) throw new Error(`issuer ${issuer.slice(0, 200)}: ${problem}`)
}

export function issuerProblem(issuer: string): string | undefined {
  if (!URL.canParse(issuer)) return 'it is not a URL'
  const url = new URL(issuer)
  if (url.search !== '' || url.hash !== '' || issuer.includes('?') || issuer.includes('#'))
    return 'it must have no query and no fragment'
  if (url.username !== '' || url.password !== '') return 'it must have no user name'
  if (issuer.endsWith('/')) return 'it must not end with a slash'
  if (url.href !== issuer && url.href !== `${issuer}/`) return `it must be spelled ${url.href.replace(/\/$/, '')}`
  if (url.protocol === 'https:') return undefined
  if (url.protocol === 'http:' && loopbackHosts.has(url.hostname)) return undefined
  return 'it must be https (http is for localhost, 127.0.0.1 and [::1] only)'
}
