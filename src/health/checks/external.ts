/**
 * Check `external`: a command whose exit code is 0. It leads a process group of its own, which is ended with it: at the
 * deadline, and when the command itself has ended. Ended by a signal it has failed.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Endpoint } from '../../lvs/service.ts'
import type { ExternalCheckSpec, Probe } from '../check.ts'
import { down, failed, probing, shown, type Verdict } from './verdict.ts'

/** More output is read, so that the command is not held up, and forgotten. */
const maxOutputBytes = 4096
/** What still stands in the pipes when the command has ended comes at once. */
const lastWordsMs = 100

export function externalProbe(spec: ExternalCheckSpec): Probe {
  return (target, { signal }) => {
    let output = ''
    const said = (): string => (output.trim() === '' ? '' : `: ${shown(output)}`)
    return probing(
      signal,
      () => down(`the command did not end in time and was killed${said()}`),
      (end) => {
        const child = start(spec, target)
        const read = (chunk: Buffer): void => {
          if (output.length < maxOutputBytes) output += chunk.toString('latin1', 0, maxOutputBytes - output.length)
        }
        child.stdout?.on('data', read)
        child.stderr?.on('data', read)
        child.once('error', (error) => end(failed('the command cannot be started', error)))
        let last: NodeJS.Timeout | undefined
        let hasEnded = false
        child.once('exit', (code, killedBy) => {
          hasEnded = true
          killGroup(child)
          const verdict = (): void => end(verdictOn(spec, code, killedBy, said()))
          child.once('close', verdict)
          last = setTimeout(verdict, lastWordsMs)
        })
        return () => {
          clearTimeout(last)
          if (!hasEnded) killGroup(child)
          child.stdout?.destroy()
          child.stderr?.destroy()
        }
      },
    )
  }
}

function start(spec: ExternalCheckSpec, target: Endpoint): ChildProcess {
  const service = spec.service ?? { address: '', port: 0 }
  const places = [service, target].flatMap(({ address, port }) => [bracketed(address), String(port)])
  const positional = spec.positional === true ? places : []
  const [file = '', ...given] =
    'argv' in spec.command ? spec.command.argv : ['/bin/sh', '-c', spec.command.shell, 'baton-check']
  return spawn(file, [...given, ...positional], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      BATON_SERVICE_ADDRESS: service.address,
      BATON_SERVICE_PORT: String(service.port),
      BATON_SERVER_ADDRESS: target.address,
      BATON_SERVER_PORT: String(target.port),
      ...spec.environment,
    },
  })
}

/** As ldirectord writes addresses for commands. */
function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // ESRCH: nobody is left in it. EPERM: it has become another user's, who is out of our reach.
  }
}

function verdictOn(
  { exitIsWeight = false }: ExternalCheckSpec,
  code: number | null,
  killedBy: NodeJS.Signals | null,
  said: string,
): Verdict {
  if (code === null) return down(`the command was ended by ${killedBy ?? 'a signal'}${said}`)
  const detail = `exit code ${code}${said}`
  // keepalived.conf(5), misc_dynamic: 0 leaves the weight, 2 to 255 is a weight of 0 to 253.
  if (exitIsWeight && code >= 2) return { healthy: true, detail, report: { weight: { absolute: code - 2 } } }
  return { healthy: code === 0, detail }
}
