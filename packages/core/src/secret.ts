const inspect = Symbol.for('nodejs.util.inspect.custom')

/**
 * A value that must not be printed. Every way of turning it into text (`console.log`, template strings, `JSON.stringify`,
 * `util.inspect`, errors) gives `[redacted]`; only {@link Secret.reveal} gives the value. A class, against our habit, for its
 * private field is the one place that no printer reaches.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The value itself. Call it where it leaves for the wire or the store, nowhere else. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '[redacted]'
  }

  toJSON(): string {
    return '[redacted]'
  }

  [inspect](): string {
    return '[redacted]'
  }
}
