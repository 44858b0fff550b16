/** The program qemu-system-x86_64, or the one command that installs it. */
import { InfraError, isInfraError } from '../../errors.ts'
import type { Host, RunResult } from '../../hosts/host.ts'
import { howToInstall } from '../../hosts/install.ts'
import type { CallOptions } from '../hypervisor.ts'

/** @throws InfraError `missing-tool` with the hint how to install it. */
export async function runQemu(host: Host, args: readonly string[], options: CallOptions): Promise<RunResult> {
  try {
    return await host.run(['qemu-system-x86_64', ...args], options)
  } catch (error) {
    if (!isInfraError(error, 'missing-tool')) throw error
    throw new InfraError('missing-tool', 'QEMU is not installed', {
      subject: 'qemu-system-x86_64',
      cause: error,
      hint: await howToInstall(host, 'qemu', options),
    })
  }
}
