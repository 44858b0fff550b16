/** The engine under test, as a program in its director's namespace: `director.ts ENGINE FORWARDING ADDRESS SERVER PORT…`. */
import { ebpfEngine } from '../../src/engines/ebpf/ebpf.ts'
import type { EngineChange } from '../../src/engines/engine.ts'
import { ipvsEngine } from '../../src/engines/ipvs/ipvs.ts'
import { localHost } from '../../src/hosts/local/local.ts'
import type { Forwarding, ServiceId } from '../../src/lvs/service.ts'

const [name, forwarding, address = '', server = '', ...ports] = process.argv.slice(2)
if (name !== 'ebpf' && name !== 'ipvs') throw new Error(`no engine: ${name}`)
const { BATON_BPF_DIR: bpfFileSystem } = process.env
const engine =
  name === 'ipvs'
    ? await ipvsEngine(localHost())
    : await ebpfEngine(bpfFileSystem === undefined ? {} : { bpfFileSystem })
const changes = ports.map(Number).flatMap((port): EngineChange[] =>
  (['tcp', 'udp'] as const).flatMap((protocol): EngineChange[] => {
    const id: ServiceId = { kind: 'address', protocol, address, port }
    const real = { address: server, port, weight: 1, upperThreshold: 0, lowerThreshold: 0 }
    return [
      { kind: 'service.add', service: { id, scheduler: 'rr', schedulerFlags: [], onePacket: false } },
      { kind: 'server.add', id, server: { ...real, forwarding: forwarding as Forwarding } },
    ]
  }),
)
await engine.apply(changes, { signal: AbortSignal.timeout(10_000) })
process.stdout.write('ready\n')
process.stdin.resume().once('end', () => void engine[Symbol.asyncDispose]().then(() => process.exit(0)))
