import type { Api, App } from './app.ts'

/** No server and no framework: requests as plain data. */
export async function plainApp(api: Api): Promise<App> {
  return {
    async ask({ path, authorization, method = 'GET', headers, body }) {
      const scope = path.startsWith('/write') ? 'write' : 'read'
      const type = body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }
      const fields = Object.fromEntries(new URLSearchParams(body))
      const request = {
        method,
        url: path,
        headers: { ...headers, ...type, Authorization: authorization },
        form: fields,
      }
      const decision = await api.authorize(request, { scope })
      if (!decision.ok) return decision.response
      const { access, cacheControl } = decision
      const answered = { subject: access.subject, ...(fields['note'] !== undefined && { note: fields['note'] }) }
      return { status: 200, headers: { 'cache-control': cacheControl }, body: JSON.stringify(answered) }
    },
    close: async () => {},
  }
}
