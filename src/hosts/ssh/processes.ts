/** Commands on a host over SSH: to their end, ended with all that they have started when nobody waits any more. */
import { constants } from 'node:os'
import { InfraError } from '../../errors.ts'
import type { Host, RunOptions, RunResult } from '../host.ts'
import { abortError } from '../local/failures.ts'
import { collector, maxOutputBytes } from '../output.ts'
import type { Exit, Session } from './connection.ts'
import type { Sessions } from './sessions.ts'
import { type Beginning, parseBeginning, runScript, sayGroup, shellLine } from './shell.ts'

/** What is needed to run something on a host. */
export type Remote = { readonly name: string; readonly sudo: boolean; readonly sessions: Sessions }

type Signalled = { readonly signal: AbortSignal }

/** How long a command that is being ended may keep its session. */
const endMs = 10_000

export async function runRemote(remote: Remote, command: readonly string[], options: RunOptions): Promise<RunResult> {
  const [program = ''] = command
  const { environment = {}, directory = '' } = options
  const variables = Object.entries(environment).map(([key, value]) => `${key}=${value}`)
  const args = [directory, ...variables, '--', ...command]
  const ended = await runShell(remote, runScript, args, `run ${program} on ${remote.name}`, options)
  if (ended.beginning === 'missing')
    throw new InfraError('missing-tool', `${program} is not installed on ${remote.name}`, { subject: program })
  if (ended.beginning === 'directory')
    throw new InfraError('not-found', `run ${program} on ${remote.name}: there is no directory ${directory}`, {
      subject: directory,
    })
  return { code: ended.code, stdout: ended.stdout.toString(), stderr: ended.stderr }
}

/** A script of ours that says its group first, in the C locale, so that its errors can be read. */
export async function runOwn(
  remote: Remote,
  script: string,
  args: readonly string[],
  what: string,
  options: Signalled & { readonly input?: string | Uint8Array },
): Promise<Ended> {
  return runShell(remote, `${sayGroup}\nexport LC_ALL=C\n${script}`, args, `${what} on ${remote.name}`, options)
}

export type Ended = {
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
  readonly beginning: Beginning
}

async function runShell(
  remote: Remote,
  script: string,
  args: readonly string[],
  what: string,
  options: Pick<RunOptions, 'signal' | 'input' | 'onStderr'>,
): Promise<Ended> {
  const { signal } = options
  if (signal.aborted) throw abortError(signal, what, remote.name)
  const line = shellLine(script, args, remote.sudo)
  return remote.sessions.run(line, what, signal, (session, lost) => follow(remote, session, lost, what, options))
}

async function follow(
  remote: Remote,
  { channel, ended }: Session,
  lost: () => Error | undefined,
  what: string,
  { signal, input, onStderr }: Pick<RunOptions, 'signal' | 'input' | 'onStderr'>,
): Promise<Ended> {
  let begun: ReturnType<typeof parseBeginning>
  let head = Buffer.alloc(0)
  let giveUp: NodeJS.Timeout | undefined
  let letGo = (): void => {}
  const gaveUp = new Promise<undefined>((resolve) => {
    letGo = () => resolve(undefined)
  })
  const end = (): void => {
    giveUp ??= setTimeout(() => {
      channel.close()
      letGo()
    }, endMs)
    if (typeof begun?.beginning === 'object') void endGroup(remote, begun.beginning.group)
  }
  const collect = collector(end)
  channel.on('data', (chunk: Buffer) => {
    if (begun !== undefined) return collect.stdout(chunk)
    head = Buffer.concat([head, chunk])
    begun = parseBeginning(head)
    if (begun === undefined) return
    collect.stdout(head.subarray(begun.length))
    if (signal.aborted) end()
  })
  channel.stderr.on('data', (chunk: Buffer) => {
    collect.stderr(chunk)
    onStderr?.(chunk.toString())
  })
  channel.end(input)
  signal.addEventListener('abort', end, { once: true })
  let exit: Exit | undefined
  try {
    exit = await Promise.race([ended, gaveUp])
  } finally {
    signal.removeEventListener('abort', end)
    clearTimeout(giveUp)
  }
  if (signal.aborted) throw abortError(signal, what, remote.name)
  if (collect.overflowed())
    throw new InfraError('failed', `${what}: printed more than ${maxOutputBytes} bytes`, { subject: remote.name })
  const { stdout, stderr } = collect.bytes()
  if (exit === undefined) throw lostError(what, remote.name, lost())
  if (begun === undefined) throw notBegun(what, remote, stderr.toString() || head.toString())
  return { code: exitCode(exit), stdout, stderr: stderr.toString(), beginning: begun.beginning }
}

/** A command killed by a signal has 128 and its number, as for a shell. */
function exitCode({ code, signalName }: Exit): number {
  if (code !== null) return code
  const name = `SIG${(signalName ?? '').replace(/^SIG/, '')}` as NodeJS.Signals
  return 128 + (constants.signals[name] ?? 0)
}

export function lostError(what: string, host: string, cause: Error | undefined): InfraError {
  return new InfraError('unreachable', `${what}: the connection was lost; whether it was done is not known`, {
    subject: host,
    retryable: true,
    ...(cause === undefined ? {} : { cause }),
    hint: `see whether ${host} is up, then run this again: it looks first at what is done`,
  })
}

function notBegun(what: string, { name, sudo }: Remote, said: string): InfraError {
  const words = said.trim().split('\n').at(-1) ?? ''
  if (sudo && /^sudo: |sudo: not found|not in the sudoers/m.test(said))
    return new InfraError('permission', `${what}: ${words}`, {
      subject: name,
      hint: 'let this user run commands without a password: NOPASSWD in sudoers(5), or log in as root',
    })
  return new InfraError('failed', `${what}: its login shell ran nothing: ${words === '' ? 'it said nothing' : words}`, {
    subject: name,
    hint: 'see the login shell of this user there, and ForceCommand in sshd_config',
  })
}

/** SIGTERM to the whole group, SIGKILL to what is left of it two seconds later. */
const endScript = `kill -s TERM -- "-$1" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  kill -s 0 -- "-$1" 2>/dev/null || exit 0
  sleep 0.1
done
kill -s KILL -- "-$1" 2>/dev/null`

/** Fails when the connection is gone, too, and then there is nobody to tell: the command's own wait says so. */
async function endGroup(remote: Remote, group: number): Promise<void> {
  const options = { signal: AbortSignal.timeout(endMs) }
  await runOwn(remote, endScript, [String(group)], `end process group ${group}`, options).catch(() => undefined)
}

/** Arguments: the log or '', variables as NAME=value, --, the command. setsid(1) makes it a leader of its own. */
const spawnScript = String.raw`
log=$1; shift
while [ "$1" != -- ]; do export "$1"; shift; done
shift
command -v "$1" >/dev/null 2>&1 || exit 127
cd /
if [ -n "$log" ]; then [ -e "$log" ] || (umask 077; : >>"$log") || exit 1; else log=/dev/null; fi
unset LC_ALL
setsid "$@" </dev/null >>"$log" 2>&1 &
printf '%s\n' "$!"`

export async function spawnRemote(
  remote: Remote,
  command: readonly string[],
  { signal, environment = {}, logFile = '' }: Parameters<Host['spawn']>[1],
): Promise<number> {
  const [program = ''] = command
  const what = `start ${program}`
  const variables = Object.entries(environment).map(([key, value]) => `${key}=${value}`)
  const ended = await runOwn(remote, spawnScript, [logFile, ...variables, '--', ...command], what, { signal })
  if (ended.code === 127)
    throw new InfraError('missing-tool', `${program} is not installed on ${remote.name}`, { subject: program })
  const pid = Number(ended.stdout.toString())
  if (ended.code === 0 && pid > 0) return pid
  throw new InfraError('failed', `${what} on ${remote.name}: ${ended.stderr.trim()}`, { subject: program })
}

/** 3: there is none, or only its remains that its parent has not looked at. */
const signalScript = `kill -s "$1" -- "$2" 2>/dev/null || { [ -e "/proc/$2" ] && { [ "$1" = 0 ] || exit 4; } || exit 3; }
[ "$1" != 0 ] || ! grep -q '^State:[[:space:]]*Z' "/proc/$2/status" 2>/dev/null || exit 3`

export async function signalRemote(
  remote: Remote,
  pid: number,
  signal: Parameters<Host['signal']>[1],
  options: Signalled,
): Promise<boolean> {
  const what = `signal process ${pid}`
  const name = signal === 0 ? '0' : signal.replace(/^SIG/, '')
  const { code, stderr } = await runOwn(remote, signalScript, [name, String(pid)], what, options)
  if (code === 0 || code === 3) return code === 0
  throw new InfraError('permission', `${what} on ${remote.name}: ${stderr.trim() || 'not permitted'}`, {
    subject: String(pid),
    hint: 'log in as its owner, as root, or with sudo',
  })
}
