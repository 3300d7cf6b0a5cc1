/** Resolves at SIGINT or SIGTERM. A second one while things wind down changes nothing: terminals and npm send them twice. */
export function ended(): Promise<void> {
  return new Promise((resolve) => {
    process.on('SIGINT', () => resolve())
    process.on('SIGTERM', () => resolve())
    process.on('SIGHUP', () => resolve())
  })
}
