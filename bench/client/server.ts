// The world as a process of its own, on a database file: argv[2]. Gives codes to those who ask over its channel.
import { startWorld } from './world.ts'

export type ServerMessage =
  | { readonly ready: { readonly issuer: string; readonly resource: string } }
  | { readonly id: number; readonly code: string }
export interface CodeWanted {
  readonly id: number
  readonly request: string
}

if (process.send !== undefined) {
  const world = await startWorld({ database: process.argv[2] ?? ':memory:' })
  process.on('message', ({ id, request }: CodeWanted) => {
    void world.mintCode(new URLSearchParams(request)).then((code) => process.send?.({ id, code }))
  })
  process.on('disconnect', () => process.exit())
  process.send({ ready: { issuer: world.issuer, resource: world.resource } } satisfies ServerMessage)
}
