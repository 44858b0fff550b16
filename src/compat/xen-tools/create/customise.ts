/** A filled tree becomes this guest: its files, its way to boot, the scripts of hooks and roles, its password. */
import { InfraError } from '../../../errors.ts'
import type { CallOptions, Host } from '../../../hosts/host.ts'
import { inTree, type Mounted } from '../tree.ts'
import { bootMenu, type GuestFiles } from './guest-files.ts'
import type { CreateSettings } from './settings.ts'
import type { PlacedVolume } from './volumes.ts'

export const hooksDirectory = '/etc/xen-tools/hooks.d'
const skeleton = '/etc/xen-tools/skel'

/** What is in the tree is replaced, never followed: a link in it must not lead out of it. */
const placeFiles = `
(cd "$1"; find . -type d) | while read -r folder; do mkdir -p "$tree/$folder"; done
cp -a --remove-destination -- "$1/." "$tree/"
[ ! -e /etc/localtime ] || cp -L --remove-destination /etc/localtime "$tree/etc/localtime"
[ ! -d ${skeleton} ] || cp -a --remove-destination -- ${skeleton}/. "$tree/"
`

export async function placeGuestFiles(
  host: Host,
  files: GuestFiles,
  scratch: string,
  mounted: readonly Mounted[],
  options: CallOptions,
): Promise<void> {
  await host.makeDirectory(scratch, { ...options, mode: 0o755 })
  for (const [path, text] of Object.entries(files))
    await host.writeFile(`${scratch}/${path}`, text, { ...options, mode: 0o644 })
  await inTree(host, 'write the files of the guest', mounted, placeFiles, [scratch], options)
}

/** Prints the kernel and the ramdisk as a menu is to name them: the links of Debian, or the newest files. */
const findKernel = `
newest() { ls -1v "$tree"/boot/$1 2> /dev/null | tail -n 1 | sed "s|^$tree||"; }
has() { [ -L "$tree$1" ] && [ -e "$tree/boot/$(basename "$(readlink "$tree$1")")" ]; }
if has /vmlinuz && has /initrd.img; then printf '/vmlinuz\\n/initrd.img\\n'
else newest 'vmlinuz-*'; newest 'initrd.img-*'; fi
[ ! -e "$tree/boot/grub/menu.lst" ] && [ ! -e "$tree/boot/grub/grub.cfg" ] || echo menu
`

/** A menu for pygrub, unless the tree has one. @throws InfraError `invalid` for a tree without a kernel. */
export async function placeMenu(
  host: Host,
  { hostname, dist, installation }: CreateSettings,
  rootDevice: string,
  scratch: string,
  mounted: readonly Mounted[],
  options: CallOptions,
): Promise<void> {
  const found = (await inTree(host, 'look for a kernel', mounted, findKernel, [], options)).stdout.split('\n')
  if (found.includes('menu') && installation.method !== 'debootstrap') return
  const [kernel = '', initrd] = found.filter((line) => line.startsWith('/'))
  if (kernel === '')
    throw new InfraError('invalid', 'the guest has no kernel in /boot, and pygrub nothing to start', {
      subject: hostname,
      hint: 'put one into the tree (linux-image-cloud-amd64), or use --nopygrub with --kernel and --initrd',
    })
  const menu = bootMenu(`${dist}: ${hostname}`, rootDevice, kernel, initrd)
  await placeGuestFiles(host, { 'boot/grub/menu.lst': menu }, scratch, mounted, options)
}

/** A kernel of Dom0 has its modules there. */
export async function placeModules(
  host: Host,
  modules: string,
  mounted: readonly Mounted[],
  options: CallOptions,
): Promise<void> {
  const script = '[ ! -d "$1" ] || { mkdir -p "$tree/lib/modules"; cp -a -- "$1" "$tree/lib/modules/"; }'
  await inTree(host, `copy ${modules}`, mounted, script, [modules], options)
}

/** What a script finds: each option by its name, the addresses and the volumes by number, as with xen-tools. */
export function scriptEnvironment(
  { options, network }: CreateSettings,
  volumes: readonly PlacedVolume[],
): Readonly<Record<string, string>> {
  const secret = new Set(['password'])
  const all = [...options]
    .filter(([name]) => !secret.has(name))
    .map(([name, value]) => [name.replaceAll('-', '_'), value])
  const partitions = volumes.map(({ name, mebibytes, fs, mountpoint, mountOptions, target, path }, index) => [
    `PARTITION${index + 1}`,
    [name, `${mebibytes}M`, fs, mountpoint, mountOptions, target.slice(0, target.indexOf(':') + 1), path].join(':'),
  ])
  const addresses = network.addresses.map((address, index) => [`ip${index + 1}`, address])
  return Object.fromEntries([
    ...all,
    ...addresses,
    ['ip_count', String(addresses.length)],
    ...partitions,
    ['NUMPARTITIONS', String(partitions.length)],
  ])
}

/** A script of the operator, with the tree as its first word. @throws InfraError with its output when it fails. */
export async function runScript(
  host: Host,
  path: string,
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
  mounted: readonly Mounted[],
  options: CallOptions,
): Promise<string> {
  const script = 'program=$1; shift; "$program" "$tree" "$@"'
  const run = { ...options, environment, isInside: true }
  const { stdout, stderr } = await inTree(host, `run ${path}`, mounted, script, [path, ...words], run)
  return stdout + stderr
}

/** Names of the executables of a directory, sorted as they are run. */
export async function executablesIn(host: Host, directory: string, options: CallOptions): Promise<readonly string[]> {
  const names = (await host.list(directory, options)) ?? []
  const script = 'cd "$1"; shift; for name; do [ ! -f "$name" ] || [ ! -x "$name" ] || echo "$name"; done'
  if (names.length === 0) return []
  const { stdout } = await host.run(['sh', '-c', script, 'sh', directory, ...names], options)
  return stdout.split('\n').filter((name) => name !== '' && !/~$|\.dpkg-|\.bak$/.test(name))
}

/** By standard input, so that no list of processes shows it. Resolves to false where the tree has no means to keep one. */
export async function setPassword(
  host: Host,
  { hashMethod }: CreateSettings,
  password: string,
  mounted: readonly Mounted[],
  options: CallOptions,
): Promise<boolean> {
  const script = `
program=$tree/usr/sbin/chpasswd
[ -x "$program" ] || [ -L "$program" ] || { echo none; exit 0; }
chroot "$tree" chpasswd -c "$1"`
  const run = { ...options, input: `root:${password}\n`, isInside: true }
  const { stdout } = await inTree(host, 'set the password of root', mounted, script, [hashMethod], run)
  return stdout !== 'none\n'
}

/** Its own keys, and their fingerprints, one line each; none where the tree has no SSH server. */
export async function makeSshKeys(
  host: Host,
  mounted: readonly Mounted[],
  options: CallOptions,
): Promise<readonly string[]> {
  const script = `
[ -x "$tree/usr/bin/ssh-keygen" ] && [ -d "$tree/etc/ssh" ] || exit 0
rm -f "$tree"/etc/ssh/ssh_host_*
chroot "$tree" ssh-keygen -A > /dev/null
for key in "$tree"/etc/ssh/ssh_host_*.pub; do chroot "$tree" ssh-keygen -lf "\${key#"$tree"}"; done`
  const { stdout } = await inTree(host, 'make the SSH keys', mounted, script, [], { ...options, isInside: true })
  return stdout.split('\n').flatMap((line) => {
    const [, print, kind] = /^\d+ (\S+) .*\((\S+)\)$/.exec(line) ?? []
    return print === undefined ? [] : [`${print} (${kind})`]
  })
}
