/** A machine under another kernel that stays: it stands on the networks of a lab, and does one command after the other. */

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Monitor, openMonitor } from '../ipvs/qmp.ts'
import { boot, type Ended } from './guest.ts'

export type Machine = AsyncDisposable & {
  /** A shell's lines, run to their end. What stays behind them in the background must write elsewhere. */
  run(script: string): Promise<Ended>
  /** Cable out, or in: the guest's kernel sees it. `at`: its place among the networks. */
  cable(at: number, state: 'up' | 'down'): Promise<void>
  /** At once, as when the power fails. */
  kill(): Promise<void>
  console(): string
}

type MachineOptions = {
  readonly signal: AbortSignal
  /** Taps that stand where `within` leads to: the guest's eth0, eth1 … */
  readonly taps: readonly string[]
  readonly within: readonly string[]
}

const bootMs = 180_000
const commandMs = 120_000

/** Reads commands from a port and answers each with its exit code and what it said. */
const agent = `
for port in /sys/class/virtio-ports/*; do
  [ "$(cat $port/name)" = commands ] && exec 3<> /dev/\${port##*/}
done
ip link set lo up
echo ready >&3
while read -r command <&3; do
  echo "$command" | base64 -d > /run/command
  sh /run/command > /run/output 2>&1 3>&- < /dev/null
  code=$?
  echo "$code $(base64 -w0 /run/output)" >&3
done
`

/** Boots one (some ten seconds; the first time its image is built). @throws Error with what its console said. */
export async function openMachine({ signal, taps, within }: MachineOptions): Promise<Machine> {
  const folder = await mkdtemp(join(tmpdir(), 'baton-machine-'))
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(join(folder, 'commands'), resolve))
  const connected = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const network = taps.flatMap((tap, at) => [
    ...['-netdev', `tap,id=net${at},ifname=${tap},script=no,downscript=no`],
    ...['-device', `virtio-net-pci,id=nic${at},netdev=net${at},mac=02:00:00:00:63:0${at}`],
  ])
  const guest = await boot(`export HOME=/root NO_COLOR=1 PATH=${process.env['PATH'] ?? ''}\n${agent}`, {
    signal,
    within,
    hardware: [
      ...['-qmp', `unix:${folder}/qmp,server=on,wait=off`, '-chardev', `socket,id=commands,path=${folder}/commands`],
      ...['-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=commands,name=commands'],
      ...network,
    ],
  })
  let monitor: Monitor | undefined
  const dispose = async (): Promise<void> => {
    monitor?.close()
    await guest[Symbol.asyncDispose]()
    server.close()
    await rm(folder, { recursive: true, force: true })
  }
  const gone = guest.gone.then(() => Promise.reject(new Error('the guest is gone')))
  gone.catch(() => undefined)
  const bounded = <T>(ms: number, what: string, promise: Promise<T>): Promise<T> => deadline(ms, what, [promise, gone])
  try {
    const port = await bounded(bootMs, 'boot', connected)
    const lines = createInterface({ input: port })[Symbol.asyncIterator]()
    const answer = async (): Promise<string> => {
      const { value, done } = await lines.next()
      if (done === true) throw new Error('the guest says no more')
      return value
    }
    await bounded(bootMs, 'boot', answer())
    const qmp = await openMonitor(join(folder, 'qmp'))
    monitor = qmp
    return {
      async run(script) {
        port.write(`${Buffer.from(script).toString('base64')}\n`)
        const said = await bounded(commandMs, script, answer())
        const [code, output = ''] = said.split(' ')
        return { code: Number(code), output: Buffer.from(output, 'base64').toString() }
      },
      cable: (at, state) => qmp.tell('set_link', { name: `nic${at}`, up: state === 'up' }),
      async kill() {
        await guest[Symbol.asyncDispose]()
        await guest.gone
      },
      console: () => guest.console(),
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw new Error(`a machine under another kernel does not come up: ${String(error)}\n${guest.console()}`, {
      cause: error,
    })
  }
}

async function deadline<T>(ms: number, what: string, any: readonly Promise<T>[]): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms)
  })
  try {
    return await Promise.race([...any, late])
  } finally {
    clearTimeout(timer)
  }
}
