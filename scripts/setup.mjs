// Makes a fresh clone ready: Node packages, Debian packages (said before they are installed), the built program.
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isMain, program, root } from './paths.mjs'
import { hasProgram, run } from './run.mjs'

/** What the Debian packages are for: a package is missing when none of its programs is there. */
const debian = {
  demo: [
    { name: 'qemu-system-x86', programs: ['qemu-system-x86_64'], for: 'runs the guests' },
    { name: 'qemu-utils', programs: ['qemu-img'], for: "makes the guests' disks" },
  ],
  test: [
    { name: 'mmdebstrap', programs: ['mmdebstrap'], for: 'debootstrap images' },
    { name: 'e2fsprogs', programs: ['mke2fs'], for: 'file systems of images' },
    { name: 'busybox-static', programs: ['busybox'], for: 'the network lab' },
    { name: 'clang', programs: ['clang'], for: 'building the eBPF program' },
    { name: 'llvm', programs: ['llvm-strip'], for: 'building the eBPF program' },
    { name: 'bpftool', programs: ['bpftool'], for: 'the eBPF lab: which program is attached' },
    { name: 'libbpf-dev', programs: [], for: 'building the eBPF program; loading it' },
    { name: 'linux-libc-dev', programs: [], for: 'building the eBPF program' },
    { name: 'kmod', programs: ['modprobe'], for: 'modules of another kernel, loaded and taken out' },
    { name: 'iproute2', programs: ['ip'], for: 'network namespaces, bridges' },
    { name: 'procps', programs: ['ps'], for: 'looking for processes left behind' },
    { name: 'openssh-client', programs: ['ssh'], for: 'hosts over SSH' },
    { name: 'openssh-server', programs: ['sshd'], for: 'hosts over SSH: a host to reach', service: 'ssh' },
    { name: 'ifupdown', programs: ['ifup'], for: 'hosts made ready: a bridge over the uplink', service: 'networking' },
    { name: 'bridge-utils', programs: ['brctl'], for: 'hosts made ready: a bridge over the uplink' },
    { name: 'sudo', programs: ['sudo'], for: 'hosts over SSH: a user who is not root' },
    { name: 'curl', programs: ['curl'], for: 'a client that is not ours' },
    { name: 'socat', programs: ['socat'], for: 'a client and a server that are not ours' },
    { name: 'netbase', programs: [], for: 'names of ports: /etc/services' },
    { name: 'openssl', programs: ['openssl'], for: 'certificates of test servers' },
    { name: 'bind9-dnsutils', programs: ['dig'], for: 'a DNS client that is not ours' },
    { name: 'dnsmasq-base', programs: ['dnsmasq'], for: 'a resolver that is not ours, and the peer in benchmarks' },
    { name: 'dnsperf', programs: ['dnsperf'], for: 'questions in benchmarks' },
    { name: 'systemd', programs: ['systemd-analyze'], for: 'checking the unit of the director' },
    { name: 'nftables', programs: ['nft'], for: 'a peer in benchmarks' },
    { name: 'haproxy', programs: ['haproxy'], for: 'the peer in benchmarks' },
    { name: 'wrk', programs: ['wrk'], for: 'load in benchmarks' },
    { name: 'iperf3', programs: ['iperf3'], for: 'bulk transfer in benchmarks' },
    // Real servers for the checks: tests start their own, so what a package would start by itself is not wanted.
    { name: 'postfix', programs: ['postfix'], for: 'checks: an SMTP server', service: 'postfix' },
    { name: 'dovecot-imapd', programs: [], for: 'checks: an IMAP server', service: 'dovecot' },
    { name: 'dovecot-pop3d', programs: [], for: 'checks: a POP3 server', service: 'dovecot' },
    { name: 'vsftpd', programs: ['vsftpd'], for: 'checks: an FTP server', service: 'vsftpd' },
    { name: 'slapd', programs: ['slapd'], for: 'checks: an LDAP server', service: 'slapd' },
    { name: 'inn2', programs: [], for: 'checks: a news server', service: 'inn2' },
    { name: 'mariadb-server', programs: ['mariadbd'], for: 'checks: a MySQL server', service: 'mariadb' },
    { name: 'postgresql', programs: [], for: 'checks: a PostgreSQL server', service: 'postgresql' },
    { name: 'redis-server', programs: ['redis-server'], for: 'checks: a Redis server', service: 'redis-server' },
    { name: 'freeradius', programs: ['freeradius'], for: 'checks: a RADIUS server', service: 'freeradius' },
    { name: 'sip-tester', programs: ['sipp'], for: 'checks: a SIP server' },
    { name: 'ldirectord', programs: ['ldirectord'], for: 'the side-by-side lab', service: 'ldirectord' },
    { name: 'keepalived', programs: ['keepalived'], for: 'the high availability lab', service: 'keepalived' },
    { name: 'libvirt-daemon', programs: ['libvirtd'], for: 'the libvirt lab', service: 'libvirtd' },
    { name: 'libvirt-daemon-driver-qemu', programs: [], for: 'the libvirt lab' },
    { name: 'libvirt-clients', programs: ['virsh'], for: 'the libvirt lab: a client that is not ours' },
    { name: 'xz-utils', programs: ['xz'], for: 'images that come compressed' },
    { name: 'ovmf', programs: [], for: 'guests with UEFI' },
    { name: 'iptables', programs: ['iptables'], for: 'the libvirt lab: networks with NAT' },
    { name: 'virtinst', programs: ['virt-install'], for: 'the libvirt lab: virt-install itself' },
    { name: 'osinfo-db', programs: [], for: 'the libvirt lab: facts about operating systems' },
    { name: 'xen-tools', programs: ['xt-create-xen-config'], for: 'the peer in benchmarks' },
    { name: 'debootstrap', programs: ['debootstrap'], for: 'the peer in benchmarks: what xen-tools installs by' },
    { name: 'tcpdump', programs: ['tcpdump'], for: 'the high availability lab: looking at packets' },
  ],
}

const debianFor = { none: [], demo: debian.demo, test: [...debian.demo, ...debian.test] }

class SetupError extends Error {}

/** Sets up for `npm run demo`, for `npm test`, or without Debian packages (`none`). Throws SetupError with what the user has to do. */
export async function setup({ packages }) {
  checkNode()
  await installDebian(debianFor[packages])
  if (!isInstalled()) {
    console.log('set-up: npm ci (the packages that package-lock.json names, into node_modules)')
    await must(['npm', 'ci', '--no-fund', '--no-audit'], 'npm ci')
  }
  if (await isStale()) {
    const { buildAll } = await import('./build.mjs')
    console.log('set-up: build dist/')
    await buildAll()
  }
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  throw new SetupError(`Node ${process.versions.node} is too old: Baton needs Node 20.19 or newer`)
}

async function installDebian(wanted) {
  const missing = []
  for (const entry of wanted) {
    if (!entry.programs.some(hasProgram) && !(await isDebianInstalled(entry.name))) missing.push(entry)
  }
  if (missing.length === 0) return
  const names = missing.map(({ name }) => name)
  for (const { name, for: use } of missing) console.log(`set-up: missing: ${name} (${use})`)
  const install = `apt-get install --yes --no-install-recommends ${names.join(' ')}`
  if (!hasProgram('apt-get')) throw new SetupError(`install what Debian calls ${names.join(' ')}, then run this again`)
  if (process.getuid?.() !== 0)
    throw new SetupError(`only root can install packages; run:\n  sudo sh -c 'apt-get update && ${install}'`)
  console.log(`set-up: apt-get update; ${install}`)
  const quiet = { environment: { DEBIAN_FRONTEND: 'noninteractive', INNCONF: join(root, 'labs/checks/inn.conf') } }
  const apt = ['apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=600']
  await must([...apt, 'update'], 'apt-get update', quiet)
  const services = new Set(missing.flatMap(({ service }) => service ?? []))
  await withoutStarts(async () => {
    await must([...apt, 'install', '--yes', '--no-install-recommends', ...names], 'apt-get install', quiet)
    // Nor are they started when the machine is.
    for (const service of services) await run(['update-rc.d', service, 'disable'])
  })
}

/** Debian asks this program whether a package may start its service (invoke-rc.d(8)); a machine's own one stays. */
async function withoutStarts(install) {
  const policy = '/usr/sbin/policy-rc.d'
  if (existsSync(policy)) return install()
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return await install()
  } finally {
    rmSync(policy, { force: true })
  }
}

async function isDebianInstalled(name) {
  const { code, output } = await run(['dpkg-query', '--show', '--showformat', '${db:Status-Status}', name])
  return code === 0 && output === 'installed'
}

async function must(command, what, options = {}) {
  const { code, output } = await run(command, options)
  if (code !== 0) throw new SetupError(`${what} failed:\n${output.trim().split('\n').slice(-20).join('\n')}`)
}

/** Whether node_modules has what the lock file names; npm writes what it has installed beside it. */
function isInstalled() {
  const installedFile = join(root, 'node_modules/.package-lock.json')
  if (!existsSync(installedFile)) return false
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true
    const there = installed[path]
    return there === undefined ? entry.optional === true : there.version === entry.version
  })
}

/** Whether dist/ is older than anything that it is built from. */
async function isStale() {
  if (!existsSync(program)) return true
  const builtAt = statSync(program).mtimeMs
  const entries = await readdir(join(root, 'src'), { recursive: true, withFileTypes: true })
  const sources = entries
    .filter((entry) => !/\.(test|contract)\.ts$/.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  const others = ['package-lock.json', 'scripts/build.mjs'].map((name) => join(root, name))
  return [...sources, ...others].some((path) => statSync(path).mtimeMs > builtAt)
}

/** Runs a script's body; what the user has to do is printed without a stack. */
export async function runScript(body) {
  try {
    process.exitCode = (await body()) ?? 0
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    console.error(`set-up: ${error.message}`)
    process.exitCode = 1
  }
}

if (isMain(import.meta.url)) {
  await runScript(async () => {
    await setup({ packages: process.argv.includes('--test') ? 'test' : 'demo' })
    console.log('set-up: ready; try: bin/baton --help, npm run demo')
  })
}
