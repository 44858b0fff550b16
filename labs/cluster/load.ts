/** Load on a service while something is done to what carries it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Requests as wrk makes them, each on a connection of its own, until the body has ended; what it says of errors. */
export async function underLoad(
  port: number,
  body: () => Promise<void>,
): Promise<{ requests: number; errors: string[] }> {
  const ended = new AbortController()
  let [requests, errors] = [0, [] as string[]]
  const load = (async () => {
    while (!ended.signal.aborted) {
      const args = ['-t1', '-c2', '-d2s', '--timeout', '20s', '-H', 'Connection: close', `http://127.0.0.1:${port}/`]
      const { stdout } = await promisify(execFile)('wrk', args)
      requests += Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0)
      errors = [...errors, ...stdout.split('\n').filter((line) => /Socket errors|Non-2xx/.test(line))]
    }
  })()
  try {
    await body()
  } finally {
    ended.abort()
    await load
  }
  return { requests, errors }
}
