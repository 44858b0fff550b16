/** Connection synchronisation with the kernel itself: what its master sends is read, what we write its backup takes. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { PortableConnection } from '../../src/lvs/portable-connection.ts'
import type { Endpoint } from '../../src/lvs/service.ts'
import { defaultTimeouts } from '../../src/lvs/settings.ts'
import { received, recordOf } from '../../src/sync/records.ts'
import { decodeSync, SyncWriter } from '../../src/wire/ipvs-sync.ts'
import { type KernelIpvs, kernelIpvs } from './guest.ts'
import { decodeFrame, encodeFrame, type TcpFlag } from './packets.ts'
import { worldSteps } from './world.ts'

const syncPort = 8848
const group = '224.0.0.81'
const client: Endpoint = { address: '203.0.113.5', port: 40_000 }
const plain: PortableConnection = {
  kind: 'connection', protocol: 'tcp', client, service: { address: '10.50.0.1', port: 80 },
  server: { address: '10.9.0.2', port: 8080 }, mark: 0, forwarding: 'masq', isInputOnly: false, state: 'ESTABLISHED',
  timeoutSeconds: 900,
} // biome-ignore format: one connection
const v6: PortableConnection = {
  ...plain, client: { address: '2001:db8::5', port: 40_000 }, service: { address: 'fd50::1', port: 80 },
  server: { address: 'fd09::2', port: 80 }, forwarding: 'direct', isInputOnly: true,
} // biome-ignore format: one connection
const setUp = [
  '-A -t 10.50.0.1:80 -s rr -p 100', '-a -t 10.50.0.1:80 -r 10.9.0.2:8080 -m',
  '-A -t [fd50::1]:80 -s rr', '-a -t [fd50::1]:80 -r [fd09::2]:80 -g',
] // biome-ignore format: commands

let guest: KernelIpvs
beforeAll(async () => {
  guest = await kernelIpvs({ signal: AbortSignal.timeout(600_000) })
})
afterAll(async () => {
  await guest[Symbol.asyncDispose]()
})
beforeEach(async () => {
  await guest.do(worldSteps(false))
  for (const words of setUp) await ipvsadm(...words.split(' '))
})

async function ipvsadm(...words: string[]): Promise<string> {
  const [{ code, stdout, stderr }] = await guest.do([{ kind: 'run', command: ['ipvsadm', ...words] }])
  if (code !== 0) throw new Error(`ipvsadm ${words.join(' ')}: ${stderr}`)
  return stdout
}

/** The words of their lines, as soon as there are so many, or after two seconds: the kernel's daemon is a thread of its own. */
async function listedConnections(count: number): Promise<string[][]> {
  for (let looks = 1; ; looks += 1) {
    await guest.do([{ kind: 'sleep', ms: 100 }])
    const lines = (await ipvsadm('-Lnc')).split('\n').map((line) => line.split(/\s+/).filter((word) => word !== ''))
    const shown = lines.slice(2).filter((words) => words.length > 0)
    if (shown.length >= count || looks === 20) return shown
  }
}

const packet = (from: Endpoint, to: Endpoint, flags: TcpFlag[]) =>
  ({
    kind: 'frame',
    frame: encodeFrame({ protocol: 'tcp', from, to, flags, chunks: [], payload: '', mark: 0 }),
  }) as const

/** The payload of a frame that is a datagram of the synchronisation. */
function syncPayload(frame: Uint8Array): Uint8Array | undefined {
  const bytes = Buffer.from(frame)
  const isUdp = bytes.readUInt16BE(12) === 0x0800 && bytes[23] === 17
  if (!isUdp) return undefined
  const at = 14 + ((bytes[14] ?? 0) & 15) * 4
  return bytes.readUInt16BE(at + 2) === syncPort ? Uint8Array.from(bytes.subarray(at + 8)) : undefined
}

describe('with Linux’s own daemons', () => {
  test('what the master sends is read', async () => {
    await ipvsadm('--start-daemon', 'master', '--mcast-interface', 'client', '--syncid', '42')
    const steps = [plain, v6].flatMap(({ client, service, server, forwarding }) => [
      packet(client, service, ['syn']),
      ...(forwarding === 'masq' ? [packet(server, client, ['syn', 'ack'])] : []),
      ...Array.from({ length: 4 }, () => packet(client, service, ['ack'])),
    ])
    const answers = await guest.do([...steps, { kind: 'sleep', ms: 4000 } as const])
    const datagrams = answers.flatMap(({ frames }) => frames.flatMap((frame) => syncPayload(frame) ?? []))
    const messages = datagrams.map((datagram) => received(decodeSync(datagram), defaultTimeouts))
    expect(messages.flatMap(({ flaws }) => flaws)).toEqual([])
    const found = messages.flatMap(({ connections }) => connections)
    expect(found).toEqual(expect.arrayContaining([plain, v6]))
    expect(found.filter(({ kind }) => kind === 'template').at(-1)).toMatchObject({
      client: { address: client.address, port: 0 },
      server: plain.server,
      state: 'ASSURED',
      timeoutSeconds: 100,
    })
  })

  test('what we write the backup takes', async () => {
    await ipvsadm('--start-daemon', 'backup', '--mcast-interface', 'client', '--syncid', '42')
    const template: PortableConnection = {
      ...plain, kind: 'template', client: { address: client.address, port: 0 }, state: 'ASSURED', timeoutSeconds: 77,
    } // biome-ignore format: one template
    const writer = new SyncWriter(42, 1472)
    for (const one of [plain, v6, template]) writer.add(recordOf(one))
    const payload = writer.take() ?? new Uint8Array()
    const from = { address: '10.1.0.254', port: 50_000 }
    const to = { address: group, port: syncPort }
    const frame = encodeFrame({ protocol: 'udp', from, to, flags: [], chunks: [], payload, mark: 0 })
    // 224.0.0.81 as an Ethernet address (RFC 1112 §6.4).
    frame.set([0x01, 0x00, 0x5e, 0x00, 0x00, 0x51])
    await guest.do([{ kind: 'frame', frame }])
    const shown = await listedConnections(3)
    expect(shown.map(([protocol, , ...rest]) => [protocol, ...rest])).toEqual(
      expect.arrayContaining([
        ['TCP', 'ESTABLISHED', '203.0.113.5:40000', '10.50.0.1:80', '10.9.0.2:8080'],
        ['TCP', 'ESTABLISHED', '[2001:db8::5]:40000', '[fd50::1]:80', '[fd09::2]:80'],
        ['TCP', 'ASSURED', '203.0.113.5:0', '10.50.0.1:80', '10.9.0.2:8080'],
      ]),
    )
    expect(shown).toHaveLength(3)
    // And goes on with it: to the same server, though the scheduler never chose it.
    const [sent] = await guest.do([packet(client, plain.service, ['ack'])])
    // The guest may say of itself at the same time which groups it listens to.
    const seen = sent.frames.map((one) => decodeFrame(one)).filter((one) => one?.kind === 'packet')
    expect(seen).toMatchObject([{ protocol: 'tcp', to: plain.server }])
  })
})
