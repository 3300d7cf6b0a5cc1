import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { Refusal } from '@arctos/core'

/** The cost of one hash: 19 MiB, two passes, one lane. */
const cost = { memoryKib: 19_456, passes: 2, parallelism: 1 } as const
const saltBytes = 16
const hashBytes = 32
/** Longest password, in bytes of UTF-8. */
const byteLimit = 1_024
/** Shortest new password, in characters (NIST SP 800-63B §3.1.1.2 asks for 8 beside a second factor and 15 without). */
const shortest = 12

interface PhcHash {
  readonly memoryKib: number
  readonly passes: number
  readonly parallelism: number
  readonly salt: Buffer
  readonly hash: Buffer
}

/** Hashes a password with argon2id, in PHC form: `$argon2id$v=19$m=…,t=…,p=…$salt$hash` (RFC 9106). */
export async function hashPassword(
  password: string,
  random: (byteLength: number) => Buffer = randomBytes,
): Promise<string> {
  const text = normalise(password)
  if (Buffer.byteLength(text) > byteLimit) throw new RangeError(`a password has at most ${byteLimit} bytes`)
  const salt = Buffer.from(random(saltBytes))
  const hash = await inTurn(() => derive(text, { ...cost, salt, hash: Buffer.alloc(hashBytes) }))
  const { memoryKib, passes, parallelism } = cost
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=${parallelism}$${unpadded(salt)}$${unpadded(hash)}`
}

/**
 * Whether a password has this hash. Without a hash (no such user) it does the same work and says no, so that the time
 * of an answer does not tell who has an account.
 */
export async function verifyPassword(password: string, phc: string | undefined): Promise<boolean> {
  const expected = phc === undefined ? nobody : parsePhc(phc)
  const text = normalise(password)
  const fits = Buffer.byteLength(text) <= byteLimit
  const hash = await inTurn(() => derive(fits ? text : '', expected))
  return timingSafeEqual(hash, expected.hash) && fits && phc !== undefined
}

const nobody: PhcHash = { ...cost, salt: Buffer.alloc(saltBytes), hash: Buffer.alloc(hashBytes) }

/** What is wrong with a new password, as a sentence for its user; `undefined` when nothing is. */
export function passwordProblem(password: string, username: string): string | undefined {
  const text = normalise(password)
  const length = [...text].length
  if (length < shortest) return `The password must have at least ${shortest} characters.`
  if (Buffer.byteLength(text) > byteLimit) return `The password must have at most ${byteLimit} bytes.`
  if (new Set(text).size < 4) return 'The password must have at least four different characters.'
  if (text.toLowerCase() === normalise(username).toLowerCase()) return 'The password must not be the user name.'
  return undefined
}

/** One spelling for what looks the same, whatever keyboard it came from (RFC 8265 §4.1, NFKC as in SP 800-63B). */
function normalise(password: string): string {
  return password.normalize('NFKC')
}

const phcForm =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

function parsePhc(phc: string): PhcHash {
  const [, memory, passes, parallelism, salt, hash] = phcForm.exec(phc) ?? []
  if (salt === undefined || hash === undefined)
    throw new TypeError('a stored password hash is not argon2id in PHC form')
  return {
    memoryKib: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  }
}

function derive(message: string, { memoryKib, passes, parallelism, salt, hash }: PhcHash): Promise<Buffer> {
  const parameters = { message, nonce: salt, parallelism, tagLength: hash.byteLength, memory: memoryKib, passes }
  return new Promise((resolve, reject) => {
    argon2('argon2id', parameters, (error, derived) => (error === null ? resolve(derived) : reject(error)))
  })
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}

// The memory and the threads that hashing takes belong to the process, and so does the limit.
const atOnce = 2
const waitingLimit = 100
const waiting: (() => void)[] = []
let running = 0

/**
 * Runs few at a time and lets some wait; more are turned away, or a flood of guesses would take all memory and threads.
 */
async function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  if (running >= atOnce) {
    if (waiting.length >= waitingLimit)
      throw new Refusal('request.limited', { check: 'waiting passwords', expected: waitingLimit, retryAfterSeconds: 5 })
    await new Promise<void>((resolve) => waiting.push(resolve))
  } else running++
  try {
    return await work()
  } finally {
    const next = waiting.shift()
    if (next === undefined) running--
    else next()
  }
}
