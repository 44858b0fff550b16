/** One guest under plain QEMU, without Baton's hypervisor: to see an image by itself. Ends with its test. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BuiltImage } from '../../src/guests/images/image.ts'

export type PlainGuest = AsyncDisposable & {
  /** The guest's port 80 on this machine's loopback. */
  readonly port: number
  /** All that the serial console said. */
  console(): string
  /** Waits for the n-th time that the console says this. */
  says(text: string, ms: number, times?: number): Promise<void>
  type(text: string): void
  /** A QMP command, e.g. `system_powerdown`. */
  tell(command: string, argumentsOf?: object): Promise<void>
  /** QEMU's exit code. */
  ended(ms: number): Promise<number | null>
}

export async function bootPlain(
  image: Pick<BuiltImage, 'kernel' | 'initrd' | 'cmdline' | 'disk'>,
  options: { readonly name: string; readonly memory: string; readonly network?: boolean },
): Promise<PlainGuest> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-plain-'))
  const port = await freePort()
  const qmp = join(directory, 'qmp')
  const child = spawn('qemu-system-x86_64', qemuArguments(image, options, port, qmp), {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const ended = exitOf(child)
  return {
    port,
    console: () => said,
    async says(text, ms, times = 1) {
      for (const deadline = performance.now() + ms; said.split(text).length <= times; await sleep(20))
        if (performance.now() > deadline || child.exitCode !== null)
          throw new Error(`the console did not say "${text}" within ${ms} ms:\n${said}`)
    },
    type: (text) => void child.stdin.write(text),
    tell: (command, argumentsOf) => tellQmp(qmp, command, argumentsOf),
    ended: (ms) =>
      Promise.race([
        ended,
        sleep(ms, undefined, { ref: false }).then(() => {
          throw new Error(`QEMU did not end within ${ms} ms:\n${said}`)
        }),
      ]),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function qemuArguments(
  image: Pick<BuiltImage, 'kernel' | 'initrd' | 'cmdline' | 'disk'>,
  { name, memory, network = true }: { readonly name: string; readonly memory: string; readonly network?: boolean },
  port: number,
  qmp: string,
): string[] {
  const { kernel, initrd, cmdline, disk } = image
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-machine', 'q35', '-accel', 'tcg', '-m', memory],
    ...['-serial', 'stdio', '-qmp', `unix:${qmp},server=on,wait=off`],
    ...(kernel === undefined ? [] : ['-kernel', kernel, '-append', `${cmdline} baton.name=${name}`]),
    ...(initrd === undefined ? [] : ['-initrd', initrd]),
    ...(disk === undefined ? [] : ['-drive', `file=${disk.path},format=${disk.format},if=virtio,snapshot=on`]),
    ...(network ? ['-nic', `user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:${port}-:80`] : []),
  ]
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
}

async function tellQmp(path: string, command: string, argumentsOf: object = {}): Promise<void> {
  const socket = connect(path)
  try {
    await answered(socket, 'QMP')
    for (const line of [{ execute: 'qmp_capabilities' }, { execute: command, arguments: argumentsOf }]) {
      socket.write(`${JSON.stringify(line)}\n`)
      await answered(socket, 'return')
    }
  } finally {
    socket.destroy()
  }
}

async function answered(socket: Socket, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let heard = ''
    const onData = (chunk: Buffer): void => {
      heard += chunk.toString()
      if (heard.includes('"error"')) reject(new Error(heard))
      if (!heard.includes(`"${word}"`)) return
      socket.off('data', onData)
      resolve()
    }
    socket.on('data', onData)
    socket.once('error', reject)
  })
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}
