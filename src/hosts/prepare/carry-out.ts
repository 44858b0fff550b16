/** Carries a plan out on a host: files with a copy of what they were, then the commands; the first that fails ends it. */
import { InfraError } from '../../errors.ts'
import type { CallOptions, Host } from '../host.ts'
import { changeNetwork, type Reconnect } from './network/carry-out.ts'
import { changed, type FileChange, type Step } from './step.ts'

export type CarryOut = CallOptions & {
  readonly onStep: (text: string) => void
  /** How long a changed network is tried before the host puts it back. */
  readonly patienceSeconds: number
  readonly reconnect: Reconnect
}

/** Resolves to the host that goes on. @throws InfraError `busy` when a file is not what the plan was made from, `failed` with the command and its last words. */
export async function prepareHost(
  first: Host,
  steps: readonly Step[],
  { signal, onStep, patienceSeconds, reconnect }: CarryOut,
): Promise<Host> {
  let host = first
  for (const { what, files, commands, guarded } of steps) {
    onStep(what)
    for (const file of files) await writeWithCopy(host, file, signal)
    for (const command of commands) await must(host, what, command, signal)
    if (guarded === undefined) continue
    for (const { path, before } of guarded.files) if (before !== '') await keepCopy(host, path, before, signal)
    host = await changeNetwork(host, guarded, { signal, patienceSeconds, reconnect })
  }
  return host
}

async function must(host: Host, what: string, command: readonly string[], signal: AbortSignal): Promise<void> {
  const { code, stdout, stderr } = await host.run(command, { signal })
  if (code === 0) return
  const words = `${stdout}\n${stderr}`.trim().split('\n').slice(-5).join('\n')
  throw new InfraError('failed', `${what}: ${command.join(' ')} ended with ${code}:\n${words}`, {
    subject: host.name,
    hint: 'mend it, then run this again: what is done is not done twice',
  })
}

async function writeWithCopy(host: Host, file: FileChange, signal: AbortSignal): Promise<void> {
  const { path } = file
  const now = new TextDecoder().decode((await host.readFile(path, { signal })) ?? new Uint8Array())
  if ('before' in file && now !== file.before)
    throw new InfraError('busy', `${path} has changed since it was looked at`, {
      subject: path,
      hint: 'run this again',
    })
  const after = changed(now, file)
  if (now !== '') await keepCopy(host, path, now, signal)
  await host.writeFile(path, after, { signal })
}

async function keepCopy(host: Host, path: string, content: string, signal: AbortSignal): Promise<void> {
  // Copies of what only root may read are read by root alone.
  await host.writeFile(await freeCopy(host, path, signal), content, { signal, mode: 0o600 })
}

/** Copies stay beside no configuration that is read by its folder: GRUB and sysctl would read them, too. */
async function freeCopy(host: Host, path: string, signal: AbortSignal): Promise<string> {
  const folder = `${host.directories.state}/copies`
  const taken = new Set(await host.list(folder, { signal }))
  const name = path.slice(1).replaceAll('/', '-')
  let number = 1
  while (taken.has(`${name}.${number}`)) number += 1
  return `${folder}/${name}.${number}`
}
