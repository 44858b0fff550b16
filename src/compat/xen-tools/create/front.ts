/** The command xen-create-image: from its words, and the tools' own file, to what it says and its exit code. */

import { isInfraError } from '../../../errors.ts'
import { parseXenToolsConf } from '../../../formats/xen-tools/conf.ts'
import type { CallOptions, Host } from '../../../hosts/host.ts'
import { confDirectory, confFile, type Outcome, release } from '../front.ts'
import { must } from '../tree.ts'
import { readWords } from '../words.ts'
import { type Created, createImage, type Say } from './create.ts'
import { createOptions } from './options.ts'
import { type CreateSettings, readSettings, type Sources } from './settings.ts'

const helpText = `Usage:
      xen-create-image --hostname=NAME (--dhcp | --ip=ADDRESS) (--dir=DIRECTORY | --lvm=GROUP) [options]

    the machine   --vcpus=1 --memory=256M --maxmem=512M --size=4G --swap=512M --noswap --fs=ext4 --image=sparse|full
                  --partitions=FILE --lvm_thin=POOL --image-dev=DEVICE --swap-dev=DEVICE --disk_device=xvda
    the network   --dhcp, or --ip=… --netmask=… --gateway=… --broadcast=… --p2p=… --nameserver=…
                  --bridge=NAME --vlan=N --vifname=NAME --mac=… --randommac --nohosts --copyhosts
    the system    --dist=bookworm --arch=… --mirror=… --keyring=… --cache=no (a new base)
                  --install-method=debootstrap|copy|tar --install-source=PATH --install=0
    its start     --pygrub, or --nopygrub --kernel=FILE --initrd=FILE --modules=DIRECTORY; --boot
    scripts       --role=NAME,… --role-args=… --finalrole=NAME,… --roledir=DIRECTORY --hooks=0
    the password  --password=…, or --genpass=0|1 --genpass_len=N; --hash_method=md5|sha256|sha512
    besides       --force --keep --output=/etc/xen --extension=.cfg --admins=… --config=FILE --dumpconfig
                  --verbose --debug --help --manual --version

Each may stand in ${confFile}, without the dashes, as \`name = value\`.
`

/** Errors of use end so, as the original's. */
const failureCode = 127

export async function runCreateImage(
  host: Host,
  words: readonly string[],
  say: Say,
  options: CallOptions,
): Promise<Outcome> {
  const { given, rest, complaints } = readWords(words, createOptions)
  const [wantsHelp, wantsManual] = [given.has('help'), given.has('manual')]
  if (wantsHelp || wantsManual)
    return { stdout: wantsManual ? helpText : '', stderr: wantsManual ? '' : helpText, code: 1 }
  if (given.has('version')) return { stdout: `xen-create-image release ${release}\n`, stderr: '', code: 0 }
  const wrong = [...complaints, ...rest.map((word) => `a word without an option: ${word}`)]
  if (wrong.length > 0) return failed(wrong)
  const log = logOf(say)
  try {
    const settings = await settingsFor(host, given, options)
    if ('complaints' in settings) return failed(settings.complaints)
    if (given.has('dumpconfig')) return { stdout: dump(settings), stderr: '', code: 0 }
    log.say(general(settings))
    const logFile = await newLogFile(host, settings.hostname, options)
    try {
      const created = await createImage(host, settings, log.say, options)
      log.say(`\nLogfile produced at:\n\t ${logFile}\n`)
      // The log is not told the password.
      say(summary(settings, created))
      return { stdout: '', stderr: '', code: 0 }
    } finally {
      await host.writeFile(logFile, log.text(), { signal: AbortSignal.timeout(10_000), mode: 0o640 })
    }
  } catch (error) {
    if (!isInfraError(error)) throw error
    return failed([error.message, ...(error.hint === undefined ? [] : [error.hint])])
  }
}

const failed = (lines: readonly string[]): Outcome => ({
  stdout: '',
  stderr: [...lines, 'Aborting'].map((line) => `${line}\n`).join(''),
  code: failureCode,
})

function logOf(say: Say): { readonly say: Say; readonly text: () => string } {
  const parts: string[] = []
  return {
    say(text) {
      parts.push(text)
      say(text)
    },
    text: () => parts.join(''),
  }
}

async function settingsFor(
  host: Host,
  given: ReadonlyMap<string, readonly string[]>,
  options: CallOptions,
): Promise<CreateSettings | { readonly complaints: readonly string[] }> {
  const file = await readConf(host, confFile, options)
  const { config: [config] = [], ...others } = Object.fromEntries(given)
  const words = new Map(Object.entries(others))
  // As with the original, this file counts more than the words.
  if (config !== undefined)
    for (const [key, value] of await readConf(host, config, options, true)) words.set(key, [value])
  const named = words.get('partitions')?.[0] ?? file.get('partitions')
  const sources: Sources = {
    file,
    given: words,
    partitions: named === undefined ? undefined : await partitionsFile(host, named, options),
    ownSuite: await ownSuite(host, options),
    ownArchitecture: { x86_64: 'amd64', aarch64: 'arm64' }[(await host.facts(options)).architecture] ?? '',
  }
  return readSettings(sources)
}

/** Commands in backticks are run, as root wrote them into root's file. */
async function readConf(
  host: Host,
  path: string,
  options: CallOptions,
  isWanted = false,
): Promise<ReadonlyMap<string, string>> {
  const content = await readText(host, path, options)
  if (content === undefined && isWanted) await must(host, `read ${path}`, ['cat', '--', path], options)
  const settings = new Map<string, string>()
  for (const [key, value] of parseXenToolsConf(content ?? '')) {
    const [whole = '', command] = /`([^`]*)`/.exec(value) ?? []
    // Where xen-tools itself is not there, the host's own suite is what this would have said.
    if (command === undefined) settings.set(key, value)
    else if (/^xt-guess-suite-and-mirror --suite$/.test(command.trim()))
      await ownSuite(host, options).then((suite) => suite === undefined || settings.set(key, suite))
    else {
      const output = await must(host, `run \`${command}\` of ${path}`, ['sh', '-c', command], options)
      settings.set(key, value.replace(whole, output.trim()))
    }
  }
  return settings
}

async function readText(host: Host, path: string, options: CallOptions): Promise<string | undefined> {
  const content = await host.readFile(path, options)
  return content === undefined ? undefined : new TextDecoder().decode(content)
}

/** By its path, or by its name beside the tools' own. */
async function partitionsFile(host: Host, named: string, options: CallOptions): Promise<string> {
  const beside = `${confDirectory}/partitions.d/${named}`
  const text = named.startsWith('/') ? await readText(host, named, options) : await readText(host, beside, options)
  return text ?? must(host, `read the partitions`, ['cat', '--', named], options)
}

async function ownSuite(host: Host, options: CallOptions): Promise<string | undefined> {
  const text = (await readText(host, '/etc/os-release', options)) ?? ''
  return /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(text)?.[1]
}

/** Older ones keep their numbers: H.0.log, H.1.log … */
async function newLogFile(host: Host, hostname: string, options: CallOptions): Promise<string> {
  const [directory, path] = ['/var/log/xen-tools', `/var/log/xen-tools/${hostname}.log`]
  const names = (await host.list(directory, options)) ?? []
  if (!names.includes(`${hostname}.log`)) return path
  let number = 0
  while (names.includes(`${hostname}.${number}.log`)) number += 1
  await host.rename(path, `${directory}/${hostname}.${number}.log`, options)
  return path
}

function general(settings: CreateSettings): string {
  const { hostname, dist, volumes, isSparse, memoryMebibytes, maxMemoryMebibytes, boot, network, options } = settings
  const line = (key: string, value: string): string => `${key.padEnd(15)}:  ${value}\n`
  const size = ({ mebibytes }: { mebibytes: number }): string =>
    mebibytes % 1024 === 0 ? `${mebibytes / 1024}G` : `${mebibytes}M`
  const partitions = volumes.map((volume) => `${volume.mountpoint || volume.name} ${size(volume)} (${volume.fs})`)
  const addresses = network.addresses.map((address, at) =>
    line(`IP Address ${at + 1}`, `${address}${at === 0 ? ` [MAC: ${network.mac}]` : ''}`),
  )
  const extra = Object.entries({ Netmask: network.netmask, Broadcast: network.broadcast, Gateway: network.gateway })
  return [
    '\nGeneral Information\n--------------------\n',
    line('Hostname', hostname),
    line('Distribution', dist),
    line('Mirror', options.get('mirror') ?? "the distribution's own"),
    line('Partitions', partitions.join(', ')),
    line('Image type', isSparse ? 'sparse' : 'full'),
    line('Memory size', `${memoryMebibytes}M`),
    ...(maxMemoryMebibytes === undefined ? [] : [line('Max mem size', `${maxMemoryMebibytes}M`)]),
    ...(boot.kind === 'pygrub' ? [line('Bootloader', 'pygrub')] : [line('Kernel path', boot.kernel)]),
    '\nNetworking Information\n----------------------\n',
    ...(addresses.length > 0 ? addresses : [line('IP Address', `DHCP [MAC: ${network.mac}]`)]),
    ...extra.flatMap(([key, value]) => (value === undefined ? [] : [line(key, value)])),
    '\n',
  ].join('')
}

function summary({ hostname, dist, network }: CreateSettings, { password, fingerprints }: Created): string {
  const line = (key: string, value: string): string => `${key.padEnd(16)}:  ${value}\n`
  return [
    '\nInstallation Summary\n---------------------\n',
    line('Hostname', hostname),
    line('Distribution', dist),
    line('MAC Address', network.mac),
    line('IP Address(es)', network.addresses.length === 0 ? 'dynamic' : network.addresses.join(' ')),
    ...fingerprints.map((print) => line('SSH Fingerprint', print)),
    ...(password === undefined ? [] : [line('Root Password', password)]),
    '\n',
  ].join('')
}

function dump({ options }: CreateSettings): string {
  return [...options]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key} = ${key === 'password' ? '(given)' : value}\n`)
    .join('')
}
