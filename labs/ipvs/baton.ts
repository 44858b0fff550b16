/** Runs a script on Baton: its ipvsadm against a director in this process, packets on the IPVS in memory. */
import type { Front } from '../../src/compat/ipvsadm/front.ts'
import { nameBook } from '../../src/compat/ipvsadm/names.ts'
import { runIpvsadm } from '../../src/compat/ipvsadm/run.ts'
import type { Director } from '../../src/director/director.ts'
import { type FakeEngine, fakeEngine } from '../../src/engines/fake/fake.ts'
import { isInfraError } from '../../src/errors.ts'
import { isInNetwork, parseCidr } from '../../src/lvs/address.ts'
import type { Packet, Verdict } from '../../src/lvs/packet.ts'
import type { Endpoint } from '../../src/lvs/service.ts'
import { openStillDirector } from '../../test/build/still-director.ts'
import { enginePacket } from './packets.ts'
import type { Outcome, Script, Step } from './script.ts'
import { vipNetworks } from './world.ts'

/** The guest's /etc/services: ports have the same names on both sides. */
export type Surroundings = { readonly services: string; readonly signal: AbortSignal }

/** The steps happen when they did on the kernel: `times` in milliseconds since the script began. */
export async function runOnBaton(
  script: Script,
  times: readonly number[],
  { services, signal }: Surroundings,
): Promise<Outcome[]> {
  const engine = fakeEngine({ addresses: ownAddresses })
  await using director = await openStillDirector(engine)
  const names = nameBook({
    hosts: () => '127.0.0.1 localhost\n::1 localhost\n',
    services: () => services,
    lookUp: async () => undefined,
    reverse: async () => undefined,
    now: () => 0,
  })
  const outcomes: Outcome[] = []
  let now = 0
  for (const [index, step] of script.steps.entries()) {
    const at = times[index] ?? now
    engine.advance(at - now)
    now = at
    outcomes.push(await outcomeOf(step, { engine, director, names, signal }))
  }
  return outcomes
}

type World = Pick<Front, 'names' | 'signal'> & { readonly engine: FakeEngine; readonly director: Director }

async function outcomeOf(step: Step, world: World): Promise<Outcome> {
  switch (step.kind) {
    case 'ipvsadm':
      return await ipvsadm(step.arguments, step.input, world)
    case 'packet': {
      const packet = enginePacket(step.packet)
      return { kind: 'packet', verdict: verdictOf(packet, world.engine.receive(packet)) }
    }
    case 'sysctl':
      return { kind: 'sysctl', isRefused: !(await changeSysctl(step.name, step.value, world)) }
    case 'sleep':
    case 'until':
      return { kind: 'sleep' }
  }
}

async function ipvsadm(words: readonly string[], input: string, world: World): Promise<Outcome> {
  let [stdout, stderr] = ['', '']
  const code = await runIpvsadm(words, {
    ...world,
    out: (text) => {
      stdout += text
    },
    err: (text) => {
      stderr += text
    },
    input: (async function* () {
      yield new TextEncoder().encode(input)
    })(),
    program: () => 'ipvsadm',
  })
  return { kind: 'ipvsadm', code, stdout, stderr }
}

async function changeSysctl(name: string, value: string, { engine, signal }: World): Promise<boolean> {
  try {
    await engine.apply([{ kind: 'settings', settings: { sysctls: { [name]: Number(value) } } }], { signal })
    return true
  } catch (error) {
    if (isInfraError(error)) return false
    throw error
  }
}

/** Those of the virtual addresses that scripts use. */
const ownAddresses = Array.from({ length: 9 }, (_, at) => `10.50.0.${at + 1}/32 fd50::${at + 1}/128`.split(' '))
  .flat()
  .flatMap((address) => parseCidr(address) ?? [])

const own = [vipNetworks.ipv4, vipNetworks.ipv6].flatMap((network) => parseCidr(network) ?? [])

/** In the words of the kernel's side, which sees what leaves the machine: its own stack answers what is not IPVS's. */
function verdictOf(packet: Packet, verdict: Verdict): string {
  switch (verdict.kind) {
    case 'forward': {
      const { by, to, tunnel } = verdict
      if (by === 'masq') return `masq ${to.address} ${packet.protocol === 'icmp' ? 0 : to.port}`
      return by === 'tunnel' ? `tunnel ${to.address} ${tunnel?.type ?? 'ipip'}` : `${by} ${to.address}`
    }
    case 'reply':
      return replyFrom(packet, verdict.from)
    case 'drop':
      return 'nothing'
    case 'unreachable':
      return 'refused'
    case 'bypass':
      return 'forwarded'
    case 'accept':
      return isToUs(packet) ? ownAnswer(packet) : 'forwarded'
  }
}

function isToUs({ destination }: Packet): boolean {
  const address = typeof destination === 'string' ? destination : destination.address
  return own.some((network) => isInNetwork(address, network))
}

/** What passes without another source is forwarded as any packet is. */
function replyFrom(packet: Packet, from: Endpoint): string {
  if (packet.protocol === 'icmp') return packet.source === from.address ? 'forwarded' : `reply from ${from.address} 0`
  return isSame(from, packet.source) ? 'forwarded' : `reply from ${from.address} ${from.port}`
}

function isSame(one: Endpoint, other: Endpoint): boolean {
  return one.address === other.address && one.port === other.port
}

/** What Linux answers on ports where nobody listens; it has no SCTP. */
function ownAnswer(packet: Packet): string {
  if (packet.protocol === 'icmp') return 'nothing'
  if (packet.protocol === 'udp') return 'refused'
  if (packet.protocol === 'sctp') return 'not ours'
  return packet.flags.rst === true ? 'nothing' : 'reset'
}
