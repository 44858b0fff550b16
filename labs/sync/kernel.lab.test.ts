/**
 * A director on the eBPF engine beside the kernel's own: Linux 6.1 in a guest on a tap, on the same link. Its daemon tells what
 * clients do there, and ours lists it; ours tells what they do here, and the real ipvsadm in the guest lists it.
 */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { beforeAll, describe, expect, test } from 'vitest'
import { execute, openBpfWorld } from '../ebpf/world.ts'
import { Site, until } from '../ha/world.ts'
import { type Baton, openBaton } from '../hello/baton.ts'
import { type Machine, openMachine } from '../kernel/machine.ts'
import { isRoot } from '../net/namespaces.ts'

const [director, client, server] = [0, 1, 2] as const
/** Its virtual addresses by family, and the id under which it tells. */
const kernel = { addresses: ['10.99.0.100', 'fd99::100'], syncId: 7 } as const
const ours = { addresses: ['10.99.0.101', 'fd99::101'], syncId: 8 } as const
const mark = 9
const ports = { plain: 80, marked: 82 } as const
const each = 3
/** The machine may have more to do than this. */
const longMs = 60_000

const nftables = `table inet marks {
  chain marking {
    type filter hook prerouting priority mangle
    ip daddr { ${kernel.addresses[0]}, ${ours.addresses[0]} } tcp dport ${ports.marked} meta mark set ${mark}
  }
}`
/** The same on both: what one tells finds its service and server at the other. */
const services = [
  ...[kernel, ours].flatMap(({ addresses: [v4, v6] }) => [
    `-A -t ${v4}:${ports.plain} -s rr -p 100`,
    `-a -t ${v4}:${ports.plain} -r 10.99.0.3:${ports.plain} -g`,
    `-A -t [${v6}]:${ports.plain} -s rr`,
    `-a -t [${v6}]:${ports.plain} -r [fd99::3]:${ports.plain} -g`,
  ]),
  `-A -f ${mark} -s rr -p 100`,
  `-a -f ${mark} -r 10.99.0.3 -g`,
]

async function openWorld(): Promise<Site> {
  const site = await Site.open(3)
  await site.run(server, 'sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2')
  for (const { addresses } of [kernel, ours])
    for (const address of addresses) await site.run(server, 'ip', 'address', 'add', address, 'dev', 'lo')
  for (const address of ours.addresses) await site.run(director, 'ip', 'address', 'add', address, 'dev', 'eth0')
  await site.run(director, 'nft', nftables)
  const echo = join(import.meta.dirname, '../ha/echo-server.ts')
  const words = Object.values(ports).map(String)
  site.start(server, process.execPath, '--import', 'tsx', echo, ...words)
  return site
}

async function openKernel(site: Site): Promise<Machine> {
  const within = await site.tap('guest')
  const machine = await openMachine({ signal: AbortSignal.timeout(600_000), taps: ['guest'], within })
  await say(
    machine,
    'sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0',
    'ip link set eth0 up',
    'sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0',
    'sysctl -qw net.ipv6.conf.all.forwarding=1',
    ...['10.99.0.9/24', 'fd99::9/64', ...kernel.addresses].map((one) => `ip address add ${one} dev eth0`),
    `nft '${nftables}'`,
    ...services.map((words) => `ipvsadm ${words}`),
  )
  return machine
}

async function say(machine: Machine, ...lines: readonly string[]): Promise<string> {
  const { code, output } = await machine.run(`set -e\n${lines.join('\n')}\n`)
  if (code !== 0) throw new Error(`${lines.join('; ')}: ${code}: ${output}`)
  return output
}

/** Protocol, state, client, service and server of each line; without how long it still stands. */
function rowsOf(listing: string): string[] {
  const lines = listing.split('\n').filter((line) => /^(TCP|IP) /u.test(line))
  return lines.map((line) => line.trim().split(/\s+/u)).map(([protocol, , ...rest]) => [protocol, ...rest].join(' '))
}

/** Connections that stay, with a question each second. */
async function connectTo(site: Site, address: string, port: number): Promise<void> {
  const program = join(import.meta.dirname, '../ha/steady-client.ts')
  const words = ['--import', 'tsx', program, address, String(port), String(each)]
  const { stdout } = site.begin(client, process.execPath, ...words)
  if (stdout === null) throw new Error('the clients say nothing')
  const { done } = await createInterface({ input: stdout })[Symbol.asyncIterator]().next()
  if (done === true) throw new Error(`no connections to ${address} ${port}`)
}

/** What is to be listed at both, in the end, of those that clients have with one of them. */
function expected({ addresses: [v4, v6] }: typeof kernel | typeof ours): readonly RegExp[] {
  return [
    new RegExp(`^TCP ESTABLISHED 10\\.99\\.0\\.2:\\d+ ${v4}:${ports.plain} 10\\.99\\.0\\.3:${ports.plain}$`, 'u'),
    new RegExp(`^TCP ASSURED 10\\.99\\.0\\.2:0 ${v4}:${ports.plain} 10\\.99\\.0\\.3:${ports.plain}$`, 'u'),
    new RegExp(`^TCP ESTABLISHED \\[fd99::2\\]:\\d+ \\[${v6}\\]:${ports.plain} \\[fd99::3\\]:${ports.plain}$`, 'u'),
    new RegExp(`^TCP ESTABLISHED 10\\.99\\.0\\.2:\\d+ ${v4}:${ports.marked} 10\\.99\\.0\\.3:${ports.marked}$`, 'u'),
    new RegExp(`^IP ASSURED 10\\.99\\.0\\.2:0 0\\.0\\.0\\.${mark}:0 10\\.99\\.0\\.3:0$`, 'u'),
  ]
}

describe.runIf(isRoot())('beside the kernel’s own daemons, on one link', () => {
  beforeAll(() => execute(process.execPath, ['scripts/build.mjs']))

  test('each lists what the other one tells', { timeout: 600_000 }, async () => {
    await using bpf = await openBpfWorld()
    await using site = await openWorld()
    await using baton = openBaton(site.inside(director))
    baton.environment['BATON_BPF_DIR'] = bpf.bpfFileSystem
    await using machine = await openKernel(site)
    await new Promise<void>((resolve, reject) => {
      const ended = baton.start(['director', '--engine', 'ebpf'], (line) => {
        if (line.includes('director serves')) resolve()
      })
      ended.then(({ stderr }) => reject(new Error(stderr)), reject)
    })
    for (const words of services) await ipvsadm(baton, ...words.split(' '))
    const here = async (): Promise<string[]> => rowsOf(await ipvsadm(baton, '-Lnc'))
    const there = async (): Promise<string[]> => rowsOf(await say(machine, 'ipvsadm -Lnc'))
    const daemon = (role: string, { syncId }: { readonly syncId: number }): string =>
      `--start-daemon ${role} --mcast-interface eth0 --syncid ${syncId}`

    await ipvsadm(baton, ...daemon('backup', kernel).split(' '))
    await say(machine, `ipvsadm ${daemon('backup', ours)}`, `ipvsadm ${daemon('master', kernel)}`)
    await ipvsadm(baton, ...daemon('master', ours).split(' '))
    const isToldAll = (rows: readonly string[], side: typeof kernel | typeof ours): boolean =>
      expected(side).every((pattern) => rows.some((row) => pattern.test(row)))

    // One client has one template of the mark, whoever makes it: first with the kernel alone.
    for (const [address, port] of [
      ...kernel.addresses.map((one) => [one, ports.plain] as const),
      [kernel.addresses[0], ports.marked] as const,
    ])
      await connectTo(site, address, port)
    await until('the kernel has them', async () => isToldAll(await there(), kernel), longMs)
    const took = await until('Baton lists what the kernel told', async () => isToldAll(await here(), kernel), longMs)
    console.log(`from the kernel: listed ${took.toFixed(0)} ms after they stood there`)
    const areAlike = async (): Promise<boolean> => {
      const [rows, others] = await Promise.all([there(), here()])
      return rows.toSorted().join() === others.toSorted().join()
    }
    await until('all of them', areAlike, longMs)

    for (const [address, port] of [
      ...ours.addresses.map((one) => [one, ports.plain] as const),
      [ours.addresses[0], ports.marked] as const,
    ])
      await connectTo(site, address, port)
    await until('Baton has them', async () => isToldAll(await here(), ours), longMs)
    const back = await until('the kernel lists what Baton told', async () => isToldAll(await there(), ours), longMs)
    await until('all of them', areAlike, longMs)
    console.log(
      `from Baton: ${(await there()).length} listed in the guest, ${back.toFixed(0)} ms after they stood here`,
    )
    expect(await say(machine, 'ipvsadm -L --daemon')).toContain('syncid=7')
  })
})

async function ipvsadm(baton: Baton, ...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await baton.run('ipvsadm', ...words)
  if (code !== 0) throw new Error(`baton ipvsadm ${words.join(' ')}: ${stderr}`)
  return stdout
}
