/** The kernel-IPVS guest: a real Linux director to ask what it would do. Requests go in over a virtio serial port. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localHost } from '../../src/hosts/local/local.ts'
import { type GuestImage, guestImage } from './image.ts'
import { type Answer, answerOf, type GuestStep, requestOf } from './protocol.ts'
import { type Monitor, openMonitor } from './qmp.ts'

export type KernelIpvs = AsyncDisposable & {
  /** Does the steps in order, one request after the other; virtual time passes only while steps are done. */
  do<const Steps extends readonly GuestStep[]>(
    steps: Steps,
  ): Promise<{ [At in keyof Steps]: Answer<Steps[At]['kind']> }>
  /** The end of what the serial console said: the kernel's own messages. */
  console(): string
}

const bootMs = 180_000
const requestMs = 120_000

/**
 * Boots it (about 3 s; the first time the image is built). Its clock is virtual: it counts instructions, and jumps
 * when nothing runs, so that a wait of minutes takes no time and every run is the same.
 * @throws Error with what the console said when it does not come up.
 */
export async function kernelIpvs(options: { readonly signal: AbortSignal }): Promise<KernelIpvs> {
  const image = await guestImage(localHost(), options.signal)
  const directory = await mkdtemp(join(tmpdir(), 'baton-ipvs-'))
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(`${directory}/agent`, resolve))
  const connected = new Promise<Socket>((resolve) => server.once('connection', resolve))
  // However this process ends, the guest ends with it: alone it would spin for ever.
  const command = ['--pdeathsig', 'KILL', '--', 'qemu-system-x86_64', ...qemuArguments(image, directory)]
  const child = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-100_000)
  })
  const ended = new Promise<Error>((resolve) => {
    child.once('error', resolve)
    child.once('exit', (code) => resolve(new Error(`QEMU has ended with ${code}`)))
  })
  const dispose = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
    server.close()
    await rm(directory, { recursive: true, force: true })
  }
  try {
    const failed = ended.then((error) => Promise.reject(error))
    failed.catch(() => undefined)
    const port = await Promise.race([connected, failed])
    const lines = lineReader(port, failed)
    await lines('ready', bootMs)
    const monitor = await openMonitor(`${directory}/qmp`)
    await monitor.tell('stop')
    return { do: asking(port, lines, monitor), console: () => said, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw new Error(`the kernel-IPVS guest does not come up: ${String(error)}\n${said}`, { cause: error })
  }
}

function qemuArguments({ kernel, initrd, cmdline }: GuestImage, directory: string): string[] {
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-machine', 'q35', '-accel', 'tcg', '-m', '512'],
    // Two nanoseconds per instruction, and no waiting for wall time.
    ...['-icount', 'shift=1,sleep=off'],
    ...['-serial', 'stdio', '-qmp', `unix:${directory}/qmp,server=on,wait=off`],
    ...['-kernel', kernel, '-initrd', initrd, '-append', cmdline],
    ...['-chardev', `socket,id=agent,path=${directory}/agent`],
    ...['-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=agent,name=agent'],
  ]
}

/** Resolves to the lines before the next one that says `mark`. */
type LineReader = (mark: string, ms: number) => Promise<string[]>

function lineReader(port: Socket, failed: Promise<never>): LineReader {
  let partial = ''
  const lines: string[] = []
  let onLines = (): void => undefined
  port.setEncoding('utf8')
  port.on('data', (text: string) => {
    const parts = (partial + text).split('\n')
    partial = parts.pop() ?? ''
    lines.push(...parts)
    onLines()
  })
  return async (mark, ms) => {
    let timer: NodeJS.Timeout | undefined
    const found = new Promise<string[]>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`the guest did not answer within ${ms} ms`)), ms)
      let looked = 0
      onLines = () => {
        const at = lines.indexOf(mark, looked)
        looked = lines.length
        if (at >= 0) resolve(lines.splice(0, at + 1).slice(0, -1))
      }
      onLines()
    })
    try {
      return await Promise.race([found, failed])
    } finally {
      clearTimeout(timer)
      onLines = () => undefined
    }
  }
}

/** The guest stands still while nobody asks. */
function asking(port: Socket, lines: LineReader, monitor: Monitor): KernelIpvs['do'] {
  let last: Promise<unknown> = Promise.resolve()
  let waiting = 0
  let isStopped = true
  const ask = async (steps: readonly GuestStep[]): Promise<unknown[]> => {
    if (isStopped) await monitor.tell('cont')
    isStopped = false
    port.write(requestOf(steps))
    const answer = await lines('end', requestMs)
    if (waiting === 1) {
      await monitor.tell('stop')
      isStopped = true
    }
    return steps.map((step, index) => answerOf(step, answer[index] ?? ''))
  }
  return async (steps) => {
    waiting += 1
    const answer = last.then(() => ask(steps)).finally(() => (waiting -= 1))
    last = answer.catch(() => undefined)
    return (await answer) as never
  }
}
