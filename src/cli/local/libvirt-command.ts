/** The shape of the commands on what libvirt has beside guests: a daemon found and asked, its deadline, what it says. */
import type { Command } from 'commander'
import { parseSize } from '../../cluster/spec/size.ts'
import { within } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import type { Connection } from '../../guests/libvirt/connection.ts'
import { parseFarUri } from '../../guests/libvirt/far.ts'
import { findDaemon, openLibvirt } from '../../guests/libvirt/open.ts'
import type { Host } from '../../hosts/host.ts'
import { localHost } from '../../hosts/local/local.ts'
import { runAction } from '../action.ts'
import { addTimeoutOption, askMs } from '../deadline-options.ts'
import { show } from '../output.ts'
import type { Paint } from '../terminal/paint.ts'

export type LibvirtOptions = { readonly json?: true; readonly timeout: number; readonly connect?: string }

export type LibvirtCall = {
  readonly connection: Connection
  /** Where the daemon runs. */
  readonly host: Host
  readonly options: { readonly signal: AbortSignal }
}

/** `--connect`, `--json` and `--timeout`. */
export function libvirtCommand(parent: Command, name: string, description: string, timeoutMs = 60_000): Command {
  const command = parent
    .command(name)
    .description(description)
    .option('--connect <uri>', 'the daemon: qemu:///system, qemu:///session, qemu+ssh://HOST/system')
    .option('--json', 'print JSON')
  return addTimeoutOption(command, timeoutMs)
}

/** What `use` gives is the command's JSON, and `view` its text. */
export function withLibvirt<T>(
  { json, timeout, connect = process.env['LIBVIRT_DEFAULT_URI'] ?? '' }: LibvirtOptions,
  use: (call: LibvirtCall) => Promise<T>,
  view: (told: T, paint: Paint) => string[],
): Promise<void> {
  return runAction(async ({ signal, output }) => {
    const ask = { signal: within(signal, askMs) }
    const far = parseFarUri(connect)
    await using far_ = far === undefined ? undefined : await openFarHost(far.destination, ask)
    const host = far_ ?? localHost()
    const uri = far?.uri ?? (connect === '' ? undefined : connect)
    const connection = await openLibvirt(host, await findDaemon(host, ask, uri), ask)
    try {
      show(output, json === true, await use({ connection, host, options: { signal: within(signal, timeout) } }), view)
    } finally {
      connection.close()
    }
    return undefined
  })
}

type Destination = NonNullable<ReturnType<typeof parseFarUri>>['destination']

/** ssh2 is loaded by who needs it. */
async function openFarHost(
  destination: Destination,
  options: { readonly signal: AbortSignal },
): Promise<Host & AsyncDisposable> {
  const { openSshHost } = await import('../../hosts/ssh/ssh.ts')
  return openSshHost(destination, {}, options)
}

/** @throws InfraError `invalid` */
export function readSize(text: string): number {
  const bytes = parseSize(text)
  if (bytes !== undefined && bytes > 0) return bytes
  throw new InfraError('invalid', `${text} is no size`, { subject: text, hint: 'write 512M or 8G' })
}
