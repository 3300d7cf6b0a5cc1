const lengthLimit = 500

// Only what RFC 3986 §2 allows, two slashes, no user information: the URL parser would also take `https:host` or `https:\\host`.
const form = /^https?:\/\/[\w.~:!$&'()*+,;=%[\]-]+(?:\/[\w.~:/@!$&'()*+,;=%-]*)?$/i

/**
 * Whether a text can be a resource identifier: an absolute http(s) URI without fragment, user information or query, at most
 * 500 characters (RFC 8707 §2, RFC 9728 §1.2).
 */
export function isResourceIdentifier(text: string): boolean {
  return text.length <= lengthLimit && form.test(text) && URL.canParse(text)
}

/**
 * The key under which two spellings of one resource meet: `http://host` and `http://host/` are the same, everything else is
 * compared as bytes. Several MCP clients add the slash that the registered identifier lacks.
 */
export function resourceKey(identifier: string): string {
  return /^https?:\/\/[^/]+\/$/.test(identifier) ? identifier.slice(0, -1) : identifier
}
