/** The plain machine under QEMU's TCG, reached over SSH as any other host. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { localHost } from '../../src/hosts/local/local.ts'
import { openSshHost, type SshHost } from '../../src/hosts/ssh/ssh.ts'
import { openLoopback } from '../net/loopback.ts'
import { machineImage, type Suite } from './image.ts'

const run = promisify(execFile)

export type Network = 'ifupdown' | 'netplan' | 'networkd' | 'NetworkManager'

export type Machine = AsyncDisposable & {
  readonly port: number
  /** Where `baton` finds its key: BATON_SSH_CONFIG. */
  readonly environment: Readonly<Record<string, string>>
  /** Connects anew, and waits for it where the machine is on its way up. */
  connect(options: { readonly signal: AbortSignal }): Promise<SshHost>
  /** The serial line, from the beginning. */
  console(): string
}

export type BootOptions = {
  readonly signal: AbortSignal
  readonly suite?: Suite
  readonly memoryMegabytes?: number
}

/** Boots (a minute; the first time the image is built). What it writes is gone with it. */
export async function bootMachine(
  network: Network,
  { signal, suite = 'bookworm', memoryMegabytes = 1024 }: BootOptions,
): Promise<Machine> {
  const { disk } = await machineImage(localHost(), suite, signal)
  const directory = await mkdtemp(join(tmpdir(), 'baton-machine-'))
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'lab', '-f', join(directory, 'key')])
  await writeFile(join(directory, 'network'), network)
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', join(directory, 'second.qcow2'), '2G'])
  await using loopback = openLoopback()
  const { port } = await loopback.freePlace()
  const configuration = join(directory, 'ssh_config')
  await writeFile(
    configuration,
    [
      `IdentityFile ${directory}/key`,
      'IdentitiesOnly yes',
      'StrictHostKeyChecking accept-new',
      `UserKnownHostsFile ${directory}/known_hosts`,
      'GlobalKnownHostsFile none',
      '',
    ].join('\n'),
  )
  // However this process ends, the machine ends with it.
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', '--', 'qemu-system-x86_64', ...qemuArguments({ disk, directory, port, memoryMegabytes })],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  )
  // A file, so that it can be looked at while the machine hangs.
  const said = (): string => readFileSync(join(directory, 'console'), 'utf8').replaceAll('\r', '')
  const ended = once(child, 'close')
  const environment = { BATON_SSH_CONFIG: configuration }
  const connect: Machine['connect'] = async (options) => {
    for (;;) {
      const limit = AbortSignal.any([options.signal, AbortSignal.timeout(20_000)])
      try {
        return await openSshHost(
          { host: '127.0.0.1', user: 'root', port },
          { name: 'plain', environment },
          { signal: limit },
        )
      } catch (error) {
        const hasEnded = child.exitCode !== null || child.signalCode !== null
        if (hasEnded || options.signal.aborted)
          throw new Error(`${hasEnded ? 'QEMU has ended' : String(error)}\n${said().slice(-5000)}`, { cause: error })
        await sleep(500)
      }
    }
  }
  return {
    port,
    environment,
    connect,
    console: said,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
      await rm(directory, { recursive: true, force: true })
    },
  }
}

type Given = {
  readonly disk: string
  readonly directory: string
  readonly port: number
  readonly memoryMegabytes: number
}

function qemuArguments({ disk, directory, port, memoryMegabytes }: Given): string[] {
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-serial', `file:${directory}/console`],
    // QEMU's own processor: with all that TCG knows (-cpu max) Linux crashes as Dom0 before its first word.
    ...['-machine', 'q35', '-accel', 'tcg,thread=multi', '-m', String(memoryMegabytes), '-smp', '2'],
    ...['-fw_cfg', `name=opt/lab/network,file=${directory}/network`],
    ...['-fw_cfg', `name=opt/lab/key,file=${directory}/key.pub`],
    ...['-drive', `file=${disk},format=raw,if=virtio,snapshot=on,cache=unsafe`],
    ...['-drive', `file=${directory}/second.qcow2,format=qcow2,if=virtio,cache=unsafe`],
    ...['-nic', `user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:${port}-10.0.2.15:22`],
  ]
}
