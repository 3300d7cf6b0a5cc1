/** What a command says on stderr while it waits. */
export interface Progress {
  /** Begins to show this, instead of what was shown before. */
  say(text: string): void
  stop(): void
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const frameMs = 100

/** A spinner on a terminal; elsewhere each text is one line, for logs hold no animations. */
export function startProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  let text = ''
  let frame = 0
  let timer: NodeJS.Timeout | undefined
  const draw = (): void => void stream.write(`\r\x1b[K${frames[frame++ % frames.length]} ${text}`)
  return {
    say(next) {
      text = next
      if (!stream.isTTY) {
        stream.write(`${text}\n`)
        return
      }
      draw()
      timer ??= setInterval(draw, frameMs)
    },
    stop() {
      if (timer === undefined) return
      clearInterval(timer)
      timer = undefined
      stream.write('\r\x1b[K')
    },
  }
}
