import type { IncomingHttpHeaders } from 'node:http'
import type { StrictServer } from './authorization-server.ts'
import { listen, readText, sendJson } from './http.ts'

export interface SeenCall {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface ProtectedApi {
  readonly origin: string
  readonly calls: SeenCall[]
}

/**
 * A protected resource that asks the authorization server about every token. `/redirect?status=S&to=URL` redirects, `/status/N`
 * answers N, `/cut` ends the connection.
 *
 * @param path where the resource begins
 */
export async function startProtectedApi(server: Pick<StrictServer, 'inspect'>, path = ''): Promise<ProtectedApi> {
  const calls: SeenCall[] = []
  const origin = await listen(async (request, response) => {
    const { method = '', url = '', headers } = request
    const body = await readText(request)
    calls.push({ method, url, headers, body })
    if (url.startsWith('/cut')) return request.socket.destroy()
    const token = /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1]
    if (token === undefined) return sendJson(response, 401, {}, { 'www-authenticate': 'Bearer realm="api"' })
    const { active, resource } = server.inspect(token)
    if (!active || resource !== `${origin}${path}`) {
      return sendJson(response, 401, {}, { 'www-authenticate': 'Bearer realm="api", error="invalid_token"' })
    }
    const { pathname, searchParams } = new URL(url, origin)
    const status = /\/status\/(\d+)$/.exec(pathname)?.[1]
    if (pathname.endsWith('/redirect')) {
      return response.writeHead(Number(searchParams.get('status')), { location: searchParams.get('to') ?? '' }).end()
    }
    return sendJson(response, Number(status ?? 200), { path: pathname, method, body })
  })
  return { origin, calls }
}
