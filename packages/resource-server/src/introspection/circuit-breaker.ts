/** Keeps questions from somebody who does not answer, so that nobody waits in vain and he can recover. */
export interface CircuitBreaker {
  /** How long no question may be asked, in milliseconds; 0 where one may be. */
  pauseMs(): number
  /** Begins a question. What is returned has to be called once, with whether there was an answer. */
  begin(): (answered: boolean) => void
}

/** So many failures in a row stop the questions. */
const failureLimit = 5
const firstPauseMs = 1_000
const longestPauseMs = 10_000
/** While one question tries whether he is back, the others are told to come back after so long. */
const tryingPauseMs = 1_000

/**
 * After five failures in a row nobody is let through for a second. Then one question is: an answer lets everybody through again,
 * a failure doubles the pause, up to ten seconds.
 *
 * @param elapsed milliseconds of a clock that never steps
 */
export function createCircuitBreaker(elapsed: () => number): CircuitBreaker {
  let failures = 0
  let pauses = 0
  let pausedUntil = Number.NEGATIVE_INFINITY
  let trying = false

  const pause = (): void => {
    pausedUntil = elapsed() + Math.min(firstPauseMs * 2 ** pauses, longestPauseMs)
    pauses += 1
  }

  return {
    pauseMs() {
      if (failures < failureLimit) return 0
      return trying ? tryingPauseMs : Math.max(0, pausedUntil - elapsed())
    },
    begin() {
      const isTrial = failures >= failureLimit
      if (isTrial) trying = true
      return (answered) => {
        if (isTrial) trying = false
        if (answered) {
          failures = 0
          pauses = 0
          return
        }
        // Failures of questions from before the pause are old news: only the trial decides.
        if (failures >= failureLimit && !isTrial) return
        failures = Math.min(failures + 1, failureLimit)
        if (failures === failureLimit) pause()
      }
    },
  }
}
