/** The program qemu-system-x86_64, or the one command that installs it. */
import { InfraError, isInfraError } from '../../errors.ts'
import type { Host, RunResult } from '../../hosts/host.ts'
import { howToInstall } from '../../hosts/install.ts'
import type { CallOptions } from '../hypervisor.ts'

const program = 'qemu-system-x86_64'

/** @throws InfraError `missing-tool` with the hint how to install it. */
export async function runQemu(host: Host, args: readonly string[], options: CallOptions): Promise<RunResult> {
  try {
    return await host.run([program, ...args], options)
  } catch (error) {
    throw isInfraError(error, 'missing-tool') ? await notInstalled(host, options, error) : error
  }
}

/** As `runQemu`, and it never outlives this process, however that ends. @throws InfraError `missing-tool` */
export async function runBoundQemu(host: Host, args: readonly string[], options: CallOptions): Promise<RunResult> {
  const result = await host.run(['setpriv', '--pdeathsig', 'KILL', program, ...args], options)
  if (result.code === notFoundCode) throw await notInstalled(host, options)
  return result
}

/** Of setpriv(1), as of shells. */
const notFoundCode = 127

async function notInstalled(host: Host, options: CallOptions, cause?: InfraError): Promise<InfraError> {
  const hint = await howToInstall(host, 'qemu', options)
  return new InfraError('missing-tool', 'QEMU is not installed', { subject: program, cause, hint })
}
