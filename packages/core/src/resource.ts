/**
 * Whether a text can be a resource identifier: an absolute http(s) URI without fragment, user information or query, at most
 * 500 characters (RFC 8707 §2, RFC 9728 §1.2).
 */
export function isResourceIdentifier(text: string): boolean {
  if (text.length > 500 || /[^\x21-\x7e]/.test(text) || text.includes('#') || text.includes('?')) return false
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  return (url.protocol === 'https:' || url.protocol === 'http:') && url.username === '' && url.password === ''
}

/**
 * The key under which two spellings of one resource meet: `http://host` and `http://host/` are the same, everything else is
 * compared as bytes. Several MCP clients add the slash that the registered identifier lacks.
 */
export function resourceKey(identifier: string): string {
  return /^https?:\/\/[^/]+\/$/.test(identifier) ? identifier.slice(0, -1) : identifier
}
