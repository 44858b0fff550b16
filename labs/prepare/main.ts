/**
 * `npm run lab:prepare`: a plain Debian on a disk with GRUB, made ready over SSH by the program itself. Words name what is
 * run: networks (ifupdown, netplan, networkd, NetworkManager), roles (director, kvm, xen; xen-trixie on Debian 13), `guests` (how
 * they live with their host, under a systemd without a machine); all of these when there are none. `record` writes test/golden/hosts anew.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Host } from '../../src/hosts/host.ts'
import { holdings } from './disks.ts'
import { liveWithHost } from './guests.ts'
import type { Suite } from './image.ts'
import { bootMachine, type Machine, type Network } from './machine.ts'
import { recordSurvey } from './record.ts'

const program = join(import.meta.dirname, '../../bin/baton')
const networks = ['ifupdown', 'netplan', 'networkd', 'NetworkManager'] as const
const roles = ['director', 'kvm'] as const

/** One operation: the CPUs are emulated, and packages come over a network. */
const patienceMs = 1_800_000
const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(patienceMs) })

async function baton(machine: Machine, ...args: readonly string[]): Promise<{ code: number; text: string }> {
  const child = spawn(process.execPath, [program, 'host', ...args], {
    env: { ...process.env, ...machine.environment, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
  const [code] = (await once(child, 'close')) as [number]
  return { code, text }
}

async function prepare(machine: Machine, ...options: readonly string[]): Promise<string> {
  const { code, text } = await baton(machine, 'prepare', `root@127.0.0.1:${machine.port}`, ...options)
  assert.equal(code, 0, text)
  return text
}

async function said(host: Host, script: string): Promise<string> {
  const { code, stdout, stderr } = await host.run(['sh', '-c', script], soon())
  assert.equal(code, 0, `${script}: ${stderr}`)
  return stdout
}

/** What the boot still does is over: it would be taken for a change. */
const settled = (host: Host): Promise<unknown> => host.run(['systemctl', 'is-system-running', '--wait'], soon())

/** Every file that a preparation could touch, by its checksum. */
const treeScript = `find / -xdev -type f \\( -path '/etc/*' -o -path '/boot/*' -o -path '/var/lib/*' -o -path '/usr/local/*' \\) ! -path '/var/lib/systemd/*' ! -path '/var/lib/dhcp/*' ! -path '/var/lib/NetworkManager/*' -exec sha256sum {} + | sort; lsmod | cut -d ' ' -f 1 | sort; ip -br link`

async function onNetwork(network: Network): Promise<string> {
  await using machine = await bootMachine(network, soon())
  await using host = await machine.connect(soon())
  if (network === 'ifupdown') {
    // What ifupdown needs for it comes with a role's packages.
    await said(host, 'apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes bridge-utils')
  }
  await settled(host)
  const before = await said(host, treeScript)
  const uplink = (await said(host, 'ip route show default')).match(/ dev (\S+)/)?.[1] ?? ''
  const options = ['--as', 'director', '--bridge', 'br0', '--put-back-after', '90s']
  await prepare(machine, ...options, '--dry-run')
  assert.equal(await said(host, treeScript), before, 'a dry run has changed something')
  // Whatever br0 is given is taken from it: nobody comes over it.
  const trap = 'while sleep 1; do ip address flush dev br0; done'
  const pid = await host.spawn(['sh', '-c', trap], soon())
  const cut = await baton(machine, 'prepare', `root@127.0.0.1:${machine.port}`, ...options)
  assert.notEqual(cut.code, 0)
  assert.match(cut.text, /br0 was taken back: nobody came over the new way within 90 s/)
  await using after = await machine.connect(soon())
  await after.signal(pid, 'SIGKILL', soon())
  assert.match(await said(after, 'ip route show default'), new RegExp(` dev ${uplink} `))
  assert.doesNotMatch(await said(after, 'ip -br link'), /br0/)
  await prepare(machine, ...options)
  await using bridged = await machine.connect(soon())
  assert.match(await said(bridged, 'ip -br -4 address'), /^br0 .* 10\.0\.2\.15\/24/m)
  if (network === 'ifupdown' || network === 'netplan')
    assert.match(
      await said(bridged, 'ls /var/lib/baton/copies'),
      network === 'netplan' ? /^etc-netplan-/ : /^etc-network-/,
    )
  assert.match(await prepare(machine, ...options), /ready as director/)
  await bridged.run(['sh', '-c', 'nohup systemctl reboot > /dev/null 2>&1 &'], soon()).catch(() => undefined)
  await using again = await rebooted(machine, bridged)
  assert.match(await said(again, 'ip -br -4 address'), /^br0 .* 10\.0\.2\.15\/24/m)
  await isDirector(again)
  return `${uplink} in br0: cut off and put back, then kept, and there after a reboot with modules and sysctls; a dry run touches nothing, a second run has nothing to do`
}

const sysctls = 'sysctl -n net.ipv4.ip_forward net.ipv4.ip_nonlocal_bind'

async function isDirector(host: Host): Promise<void> {
  assert.equal(await said(host, sysctls), '1\n1\n')
  assert.match(await said(host, 'lsmod'), /^ip_vs /m)
}

async function rebooted(machine: Machine, host: Host) {
  const before = (await host.facts(soon()).catch(() => undefined))?.bootId
  for (;;) {
    const next = await machine.connect(soon())
    const now = await next.facts(soon()).catch(() => undefined)
    if (now !== undefined && now.bootId !== before) return next
    await next[Symbol.asyncDispose]()
    await sleep(1000)
  }
}

async function asRole(role: 'director' | 'kvm'): Promise<string> {
  await using machine = await bootMachine('networkd', soon())
  await using host = await machine.connect(soon())
  await settled(host)
  const before = await said(host, treeScript)
  const options = ['--as', role]
  await prepare(machine, ...options, '--dry-run')
  assert.equal(await said(host, treeScript), before, 'a dry run has changed something')
  await prepare(machine, ...options)
  assert.match(await prepare(machine, ...options), new RegExp(`ready as ${role}`))
  const check = await baton(machine, 'check', `root@127.0.0.1:${machine.port}`, ...options)
  assert.equal(check.code, 0, check.text)
  const seen = role === 'director' ? await undone(machine, host) : await refusedDisks(machine, host)
  return `packages, modules and settings stand; a second run has nothing to do, and the check passes; ${seen}`
}

/** What each step says of its undo, done by hand; then all is to be done again. */
async function undone(machine: Machine, host: Host): Promise<string> {
  await isDirector(host)
  const undo = 'yes | apt-get remove ipvsadm; rm /etc/modules-load.d/baton.conf; rm /etc/sysctl.d/90-baton.conf'
  await said(host, `${undo}; sysctl --write net.ipv4.ip_forward=0 net.ipv4.ip_nonlocal_bind=0`)
  const again = await prepare(machine, '--as', 'director', '--dry-run')
  assert.match(again, /install ipvsadm \(not installed\)[^]*90-baton\.conf is not there[^]*to undo: rm \/etc\/sysctl/)
  assert.equal(await said(host, sysctls), '0\n0\n')
  return 'undone as it says, all is to be done again'
}

async function refusedDisks(machine: Machine, host: Host): Promise<string> {
  for (const { what, make, take, refusal } of holdings) {
    await must(host, make, '/dev/vdb')
    const asked = ['prepare', `root@127.0.0.1:${machine.port}`, '--as', 'kvm', '--volume-group', 'vg0=/dev/vdb']
    const { code, text } = await baton(machine, ...asked)
    assert.notEqual(code, 0, `${what}: ${text}`)
    assert.match(text, refusal, what)
    await must(host, take, '/dev/vdb')
  }
  await prepare(machine, '--as', 'kvm', '--volume-group', 'vg0=/dev/vdb')
  assert.match(await said(host, 'vgs --noheadings -o vg_name'), /vg0/)
  return `no volume group on a disk that holds ${holdings.map(({ what }) => what).join(', ')}; one on the empty disk`
}

async function must(host: Host, script: string, device: string): Promise<void> {
  const { code, stderr } = await host.run(['sh', '-ec', script, 'sh', device], soon())
  assert.equal(code, 0, `${script}: ${stderr}`)
}

/** What circulates in tutorials, and Xen ignores without a word. */
async function refusedSpelling(machine: Machine, host: Host): Promise<void> {
  const file = '/etc/default/grub.d/tutorial.cfg'
  await said(host, `echo 'GRUB_CMDLINE_XEN="dom0_mem=512M,max=512M dom0_max-vcpus=1"' > ${file}`)
  for (const word of ['prepare', 'check']) {
    const { code, text } = await baton(machine, word, `root@127.0.0.1:${machine.port}`, '--as', 'xen')
    assert.notEqual(code, 0, text)
    for (const right of ['dom0_mem=512M,max:512M', 'dom0_max_vcpus=1']) assert.ok(text.includes(right), text)
  }
  await said(host, `rm ${file}`)
}

async function asXen(suite: Suite): Promise<string> {
  await using machine = await bootMachine('ifupdown', { ...soon(), suite, memoryMegabytes: 3072 })
  const options = ['--as', 'xen', '--dom0-memory', '1G', '--dom0-vcpus', '1', '--volume-group', 'vg0=/dev/vdb']
  const more = ['--put-back-after', '120s']
  await using fresh = await machine.connect(soon())
  await settled(fresh)
  await refusedSpelling(machine, fresh)
  await prepare(machine, ...options, ...more, '--dry-run')
  await prepare(machine, ...options, ...more)
  await using bridged = await machine.connect(soon())
  await bridged.run(['sh', '-c', 'nohup systemctl reboot > /dev/null 2>&1 &'], soon()).catch(() => undefined)
  await using host = await rebooted(machine, bridged)
  assert.match(await said(host, 'cat /proc/xen/capabilities'), /control_d/)
  assert.match(await said(host, 'xl info xen_commandline'), /dom0_mem=1G,max:1G dom0_max_vcpus=1/)
  assert.match(await said(host, 'ip -br -4 address'), /^xenbr0 .* 10\.0\.2\.15\/24/m)
  assert.match(await said(host, 'vgs --noheadings -o vg_name'), /vg0/)
  assert.match(await prepare(machine, ...options, ...more), /ready as xen/)
  return (await said(host, 'xl list')).trim().split('\n').at(-1) ?? ''
}

/** The machines whose facts are recorded, each as its network is set up there. */
async function recordAll(): Promise<string> {
  const machines = [
    ['debian-12', 'bookworm', 'networkd'],
    ['debian-13', 'trixie', 'ifupdown'],
  ] as const
  for (const [name, suite, network] of machines) {
    await using machine = await bootMachine(network, { ...soon(), suite })
    await using host = await machine.connect(soon())
    await settled(host)
    await recordSurvey(host, name, soon())
  }
  return machines.map(([name]) => name).join(', ')
}

async function main(words: readonly string[]): Promise<number> {
  const all: readonly (readonly [string, () => Promise<string>])[] = [
    ...networks.map((network) => [network, () => onNetwork(network)] as const),
    ['guests', () => liveWithHost(soon())],
    ...roles.map((role) => [role, () => asRole(role)] as const),
    ['xen', () => asXen('bookworm')],
    ['xen-trixie', () => asXen('trixie')],
    ['record', recordAll],
  ]
  let failed = 0
  for (const [name, run] of all) {
    if (words.length > 0 ? !words.includes(name) : name === 'record') continue
    const begun = performance.now()
    const tell = (how: string, text: string): void =>
      void process.stdout.write(
        `${how} ${((performance.now() - begun) / 1000).toFixed(0).padStart(4)} s  ${name}: ${text}\n`,
      )
    try {
      tell('ok  ', await run())
    } catch (error) {
      failed += 1
      tell('FAIL', error instanceof Error ? (error.stack ?? error.message) : String(error))
    }
  }
  return failed === 0 ? 0 : 1
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    process.exitCode = 1
  },
)
