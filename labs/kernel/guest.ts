/** This machine under another kernel: its own files and programs, seen read-only, in a QEMU guest that boots Debian's. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { localHost } from '../../src/hosts/local/local.ts'
import { kernelImage } from './image.ts'

export type Ended = { readonly code: number; readonly output: string }

const memoryMegabytes = 3072
/** Of Debian 12, and of later ones. */
const fileServers = ['/usr/lib/qemu/virtiofsd', '/usr/libexec/virtiofsd']

type BootOptions = {
  readonly signal: AbortSignal
  /** A program and arguments that run QEMU in another place, as nsenter(1) does. */
  readonly within?: readonly string[]
  /** More of QEMU's arguments. */
  readonly hardware?: readonly string[]
}

type Booted = AsyncDisposable & {
  /** What the console has said until now. */
  console(): string
  /** Resolves when the guest is gone. */
  readonly gone: Promise<unknown>
}

/**
 * Boots (some ten seconds; the first time the image is built), runs a shell script as root at `/`, and ends with it. What it
 * changes in files is gone with the guest, and /run is its own. @throws Error with what the console said when
 * the script did not come to its end.
 */
export async function underOtherKernel(script: string, options: { readonly signal: AbortSignal }): Promise<Ended> {
  await using guest = await boot(script, options)
  await guest.gone
  const [, output, code] = /^=== begins\n(.*)^=== ended with (\d+)$/msu.exec(guest.console()) ?? []
  if (output === undefined) throw new Error(`the script did not come to its end\n${guest.console().slice(-5000)}`)
  return { code: Number(code), output }
}

/** As `underOtherKernel`, without waiting for the script's end. */
export async function boot(script: string, { signal, within = [], hardware = [] }: BootOptions): Promise<Booted> {
  const { kernel, initrd } = await kernelImage(localHost(), signal)
  const directory = await mkdtemp(join(tmpdir(), 'baton-kernel-'))
  const children: ChildProcess[] = []
  // However this process ends, they end with it.
  const start = (command: readonly string[]): ChildProcess => {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...command], {
      stdio: ['ignore', 'pipe', 'ignore'],
      signal,
    })
    child.on('error', () => undefined)
    children.push(child)
    return child
  }
  const end = async (): Promise<void> => {
    for (const child of children) child.kill('SIGKILL')
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await writeFile(join(directory, 'script'), script)
    const files = join(directory, 'files')
    const server = fileServers.find((path) => existsSync(path))
    if (server === undefined) throw new Error(`none of ${fileServers.join(', ')} is there`)
    start([server, `--socket-path=${files}`, '-o', 'source=/,cache=always,sandbox=chroot'])
    while (!existsSync(files)) await sleep(20, undefined, { signal })
    const machine = [...qemuArguments({ kernel, initrd, files, directory }), ...hardware]
    const qemu = start([...within, 'qemu-system-x86_64', ...machine])
    let said = ''
    qemu.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString().replaceAll('\r', '')
    })
    return { console: () => said, gone: once(qemu, 'close'), [Symbol.asyncDispose]: end }
  } catch (error) {
    await end()
    throw error
  }
}

type Boot = { readonly kernel: string; readonly initrd: string; readonly files: string; readonly directory: string }

function qemuArguments({ kernel, initrd, files, directory }: Boot): string[] {
  const memory = `memory-backend-memfd,id=memory,size=${memoryMegabytes}M,share=on`
  // A busy machine is not a broken timer, over which the kernel would panic.
  const words = ['console=ttyS0', 'quiet', 'panic=-1', 'net.ifnames=0', 'mitigations=off', 'no_timer_check']
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
    ...['-machine', 'q35,memory-backend=memory', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2'],
    // Shared, since the file server reads and writes it.
    ...['-object', memory, '-m', String(memoryMegabytes)],
    ...['-kernel', kernel, '-initrd', initrd, '-append', [...words, `baton.script=${directory}/script`].join(' ')],
    ...['-chardev', `socket,id=files,path=${files}`, '-device', 'vhost-user-fs-pci,chardev=files,tag=machine'],
  ]
}
