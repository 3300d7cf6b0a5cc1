/** Resolves at SIGINT or SIGTERM. A second one while things wind down changes nothing: terminals and npm send them twice. */
export function ended(): Promise<void> {
  return new Promise((resolve) => {
    process.on('SIGINT', () => resolve())
    process.on('SIGTERM', () => resolve())
    process.on('SIGHUP', () => resolve())
  })
}

/** The user pressed Ctrl-C. There is nothing to say, and the exit code says it as shells do. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/** Runs what can be given up at Ctrl-C, with its signal. Throws {@link Interrupted} then; a second Ctrl-C ends the process. */
export async function interruptible<Result>(task: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController()
  const interrupt = (): void => controller.abort(new Interrupted('interrupted'))
  process.once('SIGINT', interrupt)
  try {
    return await task(controller.signal)
  } finally {
    process.off('SIGINT', interrupt)
  }
}
