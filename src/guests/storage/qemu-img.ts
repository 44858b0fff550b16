/** The program qemu-img, and what its failures are called. */
import { InfraError, isInfraError } from '../../errors.ts'
import type { Host, RunOptions, RunResult } from '../../hosts/host.ts'
import { howToInstall } from '../../hosts/install.ts'

export type Doing = Pick<RunOptions, 'signal' | 'onStderr'> & {
  /** A verb phrase for errors: "make disk /x". */
  readonly what: string
  readonly path: string
}

/** @throws InfraError `no-space`, `busy` for a disk that a guest has open, `failed` with the program's words. */
export async function mustRun(
  host: Host,
  command: readonly string[],
  { what, path, ...options }: Doing,
): Promise<RunResult> {
  const result = await host.run(command, { ...options, environment: { LC_ALL: 'C' } })
  if (result.code === 0) return result
  const reason = result.stderr.trim()
  const isOpen = /Failed to get .*lock/.test(reason)
  const code = /No space left/.test(reason) ? 'no-space' : isOpen ? 'busy' : 'failed'
  throw new InfraError(code, `${what}: ${reason.replaceAll(/^qemu-img: /gm, '')}`, {
    subject: path,
    ...(isOpen ? { hint: 'a guest has it open: shut it down first' } : {}),
  })
}

export async function qemuImg(host: Host, args: readonly string[], doing: Doing): Promise<RunResult> {
  return mustRun(host, ['qemu-img', ...args], doing).catch(async (error: unknown) => {
    if (!isInfraError(error, 'missing-tool')) throw error
    const hint = await howToInstall(host, 'qemu-img', doing)
    throw new InfraError('missing-tool', 'qemu-img is not installed', { subject: 'qemu-img', cause: error, hint })
  })
}
