/** Carries a plan out on a host: files with a copy of what they were, then the commands; the first that fails ends it. */
import { InfraError } from '../../errors.ts'
import type { CallOptions, Host } from '../host.ts'
import type { Step } from './plan.ts'

/** @throws InfraError `busy` when a file is not what the plan was made from, `failed` with the command and its last words. */
export async function prepareHost(
  host: Host,
  steps: readonly Step[],
  { signal, onStep }: CallOptions & { readonly onStep: (text: string) => void },
): Promise<void> {
  for (const { what, file, commands } of steps) {
    onStep(what)
    if (file !== undefined) await writeWithCopy(host, file, signal)
    for (const command of commands) {
      const { code, stdout, stderr } = await host.run(command, { signal })
      if (code === 0) continue
      const words = `${stdout}\n${stderr}`.trim().split('\n').slice(-5).join('\n')
      throw new InfraError('failed', `${what}: ${command.join(' ')} ended with ${code}:\n${words}`, {
        subject: host.name,
        hint: 'mend it, then run this again: what is done is not done twice',
      })
    }
  }
}

async function writeWithCopy(
  host: Host,
  { path, before, after }: NonNullable<Step['file']>,
  signal: AbortSignal,
): Promise<void> {
  const now = new TextDecoder().decode((await host.readFile(path, { signal })) ?? new Uint8Array())
  if (now !== before)
    throw new InfraError('busy', `${path} has changed since it was looked at`, {
      subject: path,
      hint: 'run this again',
    })
  if (before !== '') await host.writeFile(await freeCopy(host, path, signal), before, { signal })
  await host.writeFile(path, after, { signal })
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
