/** A machine of its own that runs Xen, with a Debian as Dom0: it needs no virtualization. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { CallOptions } from '../../src/guests/hypervisor.ts'
import type { Qmp } from '../../src/guests/qemu/qmp.ts'
import type { Host } from '../../src/hosts/host.ts'
import { localHost } from '../../src/hosts/local/local.ts'
import { agentHost } from './agent-host.ts'
import { bootedMachine } from './booted.ts'
import { type Machine, startMachine } from './machine.ts'

export type Dom0 = AsyncDisposable & Pick<Machine, 'agentPort' | 'ports'> & { readonly host: Host }

/** From its memory in a file to an answer of its toolstack. */
const wakeMs = 180_000

/**
 * Goes on from where its boot has left it (seconds; the first time it is built and booted). `disk`: one more for it, /dev/vdc
 * there; what it writes is gone with it. @throws Error with what it said when it does not answer.
 */
export async function openDom0({ signal, disk: more }: CallOptions & { readonly disk: string }): Promise<Dom0> {
  const { image, disk, memory } = await bootedMachine(localHost(), signal)
  const machine = await startMachine(image, { signal, disk, memory, more })
  const { agentPort, ports } = machine
  const host = agentHost(agentPort)
  try {
    await wake(machine, host, { signal: AbortSignal.any([signal, AbortSignal.timeout(wakeMs)]) })
  } catch (error) {
    const said = machine.console().slice(-5000)
    await machine[Symbol.asyncDispose]()
    throw new Error(`the Xen lab's machine does not answer: ${String(error)}\n${said}`, { cause: error })
  }
  return { host, agentPort, ports, [Symbol.asyncDispose]: () => machine[Symbol.asyncDispose]() }
}

async function wake(machine: Machine, host: Host, options: CallOptions): Promise<void> {
  const goOn = async (qmp: Qmp): Promise<void> => {
    while (((await qmp.execute('query-status')) as { status: string }).status === 'inmigrate')
      await sleep(100, undefined, options)
    await qmp.execute('cont')
  }
  await machine.control(goOn, { ...options, patienceMs: wakeMs })
  // Its clock has stood still since the boot; Xen takes this one for its guests.
  for (const command of [
    ['date', '-s', `@${Math.floor(Date.now() / 1000)}`],
    ['xl', 'list'],
  ]) {
    const { code, stderr } = await host.run(command, options)
    if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
  }
}
