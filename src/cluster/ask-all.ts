/** Many hosts asked side by side: all answers, or one error that names every host that gave none. */
import { describeError, InfraError, isInfraError } from '../errors.ts'

/** All answers in the order of the things; @throws InfraError with every failure, each with its host. */
export async function askAll<T, R>(
  things: readonly T[],
  concurrency: number,
  hostOf: (thing: T) => string,
  ask: (thing: T) => Promise<R>,
): Promise<R[]> {
  const answers = new Map<number, R>()
  const failures: Failure[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let at = next++; at < things.length; at = next++) {
      const thing = things[at] as T
      try {
        answers.set(at, await ask(thing))
      } catch (error) {
        failures.push({ host: hostOf(thing), error })
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, things.length) }, worker))
  if (failures.length > 0) throw couldNotAsk(failures)
  return [...answers].sort(([a], [b]) => a - b).map(([, answer]) => answer)
}

type Failure = { readonly host: string; readonly error: unknown }

function couldNotAsk(failures: readonly Failure[]): InfraError {
  const [first] = failures
  const words = failures.map(({ host, error }) => `${host}: ${describeError(error)}`).join('; ')
  const known = isInfraError(first?.error) ? first.error : undefined
  return new InfraError(known?.code ?? 'failed', `could not ask ${words}`, {
    subject: first?.host ?? '',
    cause: first?.error,
    retryable: known?.retryable ?? false,
    ...(known?.hint === undefined ? {} : { hint: known.hint }),
  })
}
