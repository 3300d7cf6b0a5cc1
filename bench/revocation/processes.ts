import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { CodesWanted, GuardOrder, IssuerOrder, Ready } from './setting.ts'

/** A process of the bench: an issuer or a guard. */
export interface Running {
  readonly port: number
  readonly child: ChildProcess
  readonly stop: () => Promise<void>
}

export const startIssuer = (order: IssuerOrder): Promise<Running> => start('issuer.ts', order)
export const startGuard = (order: GuardOrder): Promise<Running> => start('guard.ts', order)

/** Fresh authorization codes of an issuer process. */
export async function codesOf({ child }: Running, count: number): Promise<readonly string[]> {
  const answered = once(child, 'message')
  child.send({ codes: count } satisfies CodesWanted)
  const [message] = await answered
  return (message as { readonly codes: readonly string[] }).codes
}

async function start(file: string, order: object): Promise<Running> {
  const child = fork(join(import.meta.dirname, file), [JSON.stringify(order)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  const exited = once(child, 'exit')
  const ready = once(child, 'message').then(([message]) => message as Ready)
  const died = exited.then(([code]) => Promise.reject(new Error(`${file} ended with ${code}`)))
  const { port } = await Promise.race([ready, died])
  return {
    port,
    child,
    async stop() {
      child.kill('SIGCONT')
      child.kill('SIGKILL')
      await exited
    },
  }
}
