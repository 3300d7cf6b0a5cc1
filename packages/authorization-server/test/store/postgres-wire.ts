import { connect, createServer, type Socket } from 'node:net'

/** A wire to PostgreSQL that can be cut. Statements go through it as they are. */
export interface Wire {
  /** The address of the database by way of this wire. */
  readonly address: string
  /** From now on nothing comes through, either way, and nobody is told. */
  readonly freeze: () => void
  readonly thaw: () => void
  /** The next COMMIT reaches the database; its answer is lost with the connection. */
  readonly loseAnswerToCommit: () => void
  /** The next COMMIT is lost with the connection. */
  readonly loseCommit: () => void
  /** From the next COMMIT on nothing comes through. */
  readonly freezeAtCommit: () => void
  readonly close: () => Promise<void>
}

type Mode = 'open' | 'frozen' | 'lose answer' | 'lose commit' | 'freeze at commit'

export async function openWire(database: string): Promise<Wire> {
  const target = new URL(database)
  const sockets = new Set<Socket>()
  let mode: Mode = 'open'

  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname)
    let answersLost = false
    const cut = () => {
      near.destroy()
      far.destroy()
    }
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', cut).on('close', cut)
    }
    near.on('data', (data) => {
      const commits = data.includes('COMMIT')
      if (commits && mode === 'freeze at commit') mode = 'frozen'
      if (mode === 'frozen') return
      if (commits && mode === 'lose commit') {
        mode = 'open'
        cut()
        return
      }
      if (commits && mode === 'lose answer') {
        mode = 'open'
        answersLost = true
      }
      far.write(data)
    })
    far.on('data', (data) => {
      if (answersLost) cut()
      else if (mode !== 'frozen') near.write(data)
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the wire has no port')
  const near = new URL(database)
  near.port = String(address.port)
  const setMode = (next: Mode) => () => {
    mode = next
  }
  return {
    address: near.href,
    freeze: setMode('frozen'),
    thaw: setMode('open'),
    loseAnswerToCommit: setMode('lose answer'),
    loseCommit: setMode('lose commit'),
    freezeAtCommit: setMode('freeze at commit'),
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((closed) => server.close(closed))
    },
  }
}
