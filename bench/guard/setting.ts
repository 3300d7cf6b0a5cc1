export const frameworks = ['node:http', 'Express 5', 'Fastify 5', 'Hono'] as const
export type Framework = (typeof frameworks)[number]

/** A route of a server under measurement: open to all, behind our guard without or with its memory, or behind a peer's. */
export interface Route {
  readonly path: string
  readonly guard: string
}

export const open: Route = { path: '/open', guard: 'none' }
export const cold: Route = { path: '/cold', guard: 'Arctos, nothing remembered' }
export const warm: Route = { path: '/warm', guard: 'Arctos' }

const guarded = [open, cold, warm]

/** What each framework's server offers. */
export const routes: Readonly<Record<Framework, readonly Route[]>> = {
  'node:http': guarded,
  'Express 5': [
    ...guarded,
    { path: '/auth0', guard: 'express-oauth2-jwt-bearer 1.10.0' },
    { path: '/mcp', guard: 'MCP SDK 1.32.2 with jose' },
  ],
  'Fastify 5': [...guarded, { path: '/peer', guard: '@fastify/jwt 10.2.8 with get-jwks' }],
  Hono: [...guarded, { path: '/peer', guard: 'hono jwk 4.13.19' }],
}

export const body = JSON.stringify({ notes: [{ id: 1, text: 'a note' }] })
export const scope = 'notes:read'

/** What a server is started with. */
export interface ServerSetting {
  readonly framework: Framework
  readonly issuer: string
  readonly audience: string
}

export interface Ready {
  readonly port: number
}
