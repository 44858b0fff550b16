/** xen-create-image: all that may be refused is looked at first; then each step, and when one fails what was made goes again. */
import { randomInt, randomUUID } from 'node:crypto'
import { describeError, InfraError, isInfraError } from '../../../errors.ts'
import type { CallOptions, Host } from '../../../hosts/host.ts'
import { runningGuest } from '../running.ts'
import { type Mounted, must } from '../tree.ts'
import { configFile } from './config-file.ts'
import * as customise from './customise.ts'
import { guestFiles, hostsLine } from './guest-files.ts'
import { clonedVolume, type Filling, fill, mustFit, prepareFilling } from './install.ts'
import { makeVolumes, type Undo, volumeInTheWay } from './make-volumes.ts'
import type { CreateSettings } from './settings.ts'
import { type PlacedVolume, placeVolumes } from './volumes.ts'

/** Gets what the program prints, as it comes. */
export type Say = (text: string) => void

export type Created = { readonly password: string | undefined; readonly fingerprints: readonly string[] }

const sweepMs = 60_000
type Work = {
  readonly host: Host
  readonly settings: CreateSettings
  readonly volumes: readonly PlacedVolume[]
  readonly say: Say
  readonly options: CallOptions
  readonly undos: Undo[]
}

/** @throws InfraError with what failed; then nothing of this run is left, unless --keep asks for it. */
export async function createImage(
  host: Host,
  settings: CreateSettings,
  say: Say,
  options: CallOptions,
): Promise<Created> {
  const { hostname, storage } = settings
  const volumes = placeVolumes(hostname, storage, settings.volumes, settings.options.get('disk_device') ?? 'xvda')
  const work: Work = { host, settings, volumes, say, options, undos: [] }
  const lock = `${host.directories.runtime}/xen-tools/${hostname}.lock`
  await using _lock = await host.lock(lock, options)
  try {
    await refuseWhatStands(work)
    const created = await makeAll(work)
    // A guest that does not start is made all the same.
    if (settings.startsAfterwards) await must(host, `start ${hostname}`, ['xl', 'create', settings.configFile], options)
    return created
  } finally {
    await host.remove(lock, { signal: AbortSignal.timeout(sweepMs) })
  }
}

async function makeAll(work: Work): Promise<Created> {
  const { host, settings, volumes, say, options, undos } = work
  const { dist, installation } = settings
  try {
    if (installation.method !== 'none') say(`\nInstallation method: ${installation.method}\n`)
    const filling = await prepareFilling(host, installation, dist, say, options)
    await mustFit(host, filling, settings, options)
    const cloned = clonedVolume(filling, settings, volumes)
    await makeVolumes(host, settings, volumes, cloned, undos, say, options)
    const created = await makeGuest(work, filling, cloned)
    for (const { done } of undos) await done?.(options)
    return created
  } catch (error) {
    await takeBack(work, error)
    throw error
  }
}

async function refuseWhatStands({ host, settings, volumes, say, options }: Work): Promise<void> {
  const { hostname, configFile: config, mayOverwrite, boot, roles, finalRoles, roleDirectory } = settings
  const { isRoot } = await host.facts(options)
  if (!isRoot) throw new InfraError('permission', 'Only root can make the disks of guests', { subject: hostname })
  const running = await runningGuest(host, hostname, options)
  if (running === undefined) say("Couldn't determine Xen toolstack, skipping check for running DomUs.\n")
  if (running === true)
    throw new InfraError('busy', `the guest ${hostname} runs: shut it down first`, { subject: hostname })
  if (!mayOverwrite && (await host.readFile(config, options)) !== undefined)
    throw new InfraError('already-exists', `Configuration file already exists; ${config}`, { subject: config })
  const inTheWay = await volumeInTheWay(host, settings, volumes, options)
  if (inTheWay !== undefined && (!mayOverwrite || settings.storage.kind === 'lvm'))
    throw new InfraError('already-exists', `The partition image already exists.  Aborting.\n${inTheWay}`, {
      subject: inTheWay,
      hint:
        settings.storage.kind === 'lvm'
          ? `volumes are not overwritten: xen-delete-image --lvm=${settings.storage.group} ${hostname} first`
          : "Specify '--force' to overwrite, or remove it by xen-delete-image",
    })
  const needed = boot.kind === 'kernel' ? [boot.kernel, ...(boot.initrd === undefined ? [] : [boot.initrd])] : []
  for (const path of [...needed, ...[...roles, ...finalRoles].map((name) => `${roleDirectory}/${name}`)])
    if ((await host.run(['test', '-e', path], options)).code !== 0)
      throw new InfraError('not-found', `there is no ${path}`, { subject: path })
}

async function makeGuest(
  { host, settings, volumes, say, options, undos }: Work,
  filling: Filling | undefined,
  cloned: PlacedVolume | undefined,
): Promise<Created> {
  const { hostname, boot, configFile: config } = settings
  const mounted: readonly Mounted[] = volumes.filter(({ fs }) => fs !== 'swap')
  const scratch = `${host.directories.runtime}/xen-tools/${hostname}`
  let created: Created = { password: undefined, fingerprints: [] }
  try {
    if (filling !== undefined) {
      await fill(host, filling, cloned, mounted, options)
      say('Done\n')
      const texts = await hostTexts(host, options)
      await customise.placeGuestFiles(host, guestFiles(settings, volumes, texts), `${scratch}/files`, mounted, options)
      const root = volumes.find(({ mountpoint }) => mountpoint === '/')?.device ?? ''
      if (boot.kind === 'pygrub') await customise.placeMenu(host, settings, root, `${scratch}/menu`, mounted, options)
      else if (boot.modules !== undefined) await customise.placeModules(host, boot.modules, mounted, options)
      if (settings.isHooked) await runHooks(host, settings, volumes, mounted, say, options)
      await runRoles(host, settings, settings.roles, volumes, mounted, say, options)
    }
    await writeConfig(host, settings, volumes, undos, say, options)
    if (filling !== undefined) {
      await runRoles(host, settings, settings.finalRoles, volumes, mounted, say, options)
      created = await letIn(host, settings, mounted, say, options)
      if (settings.entersHosts) await enterHosts(host, settings, options)
    }
  } finally {
    await host.remove(scratch, { signal: AbortSignal.timeout(sweepMs) })
  }
  if ((await host.readFile(config, options)) === undefined)
    throw new InfraError('failed', `${config} is not there any more`, { subject: config })
  return created
}

async function hostTexts(host: Host, options: CallOptions) {
  const read = async (path: string): Promise<string | undefined> => {
    const content = await host.readFile(path, options)
    return content === undefined ? undefined : new TextDecoder().decode(content)
  }
  const [hosts, resolvConf, timezone] = await Promise.all(
    ['/etc/hosts', '/etc/resolv.conf', '/etc/timezone'].map((path) => read(path)),
  )
  return { hosts: hosts ?? '', resolvConf: resolvConf ?? '', timezone }
}

async function runHooks(
  host: Host,
  settings: CreateSettings,
  volumes: readonly PlacedVolume[],
  mounted: readonly Mounted[],
  say: Say,
  options: CallOptions,
): Promise<void> {
  say('\nRunning hooks\n')
  const environment = customise.scriptEnvironment(settings, volumes)
  for (const name of await customise.executablesIn(host, customise.hooksDirectory, options)) {
    const path = `${customise.hooksDirectory}/${name}`
    const output = await customise.runScript(host, path, [], environment, mounted, options)
    if (settings.isVerbose) say(output)
  }
  say('Done\n')
}

async function runRoles(
  host: Host,
  settings: CreateSettings,
  roles: readonly string[],
  volumes: readonly PlacedVolume[],
  mounted: readonly Mounted[],
  say: Say,
  options: CallOptions,
): Promise<void> {
  if (roles.length === 0 && settings.roles.length === 0 && settings.finalRoles.length === 0) {
    if (roles === settings.roles) say('\nNo role scripts were specified.  Skipping\n')
    return
  }
  const environment = customise.scriptEnvironment(settings, volumes)
  for (const name of roles) {
    say(`\nRole: ${name}\n`)
    const path = `${settings.roleDirectory}/${name}`
    const output = await customise.runScript(host, path, settings.roleArguments, environment, mounted, options)
    if (settings.isVerbose) say(output)
    say('Done\n')
  }
}

async function writeConfig(
  host: Host,
  settings: CreateSettings,
  volumes: readonly PlacedVolume[],
  undos: Undo[],
  say: Say,
  options: CallOptions,
): Promise<void> {
  const path = settings.configFile
  say('\nCreating Xen configuration file\n')
  const before = await host.readFile(path, options)
  undos.push({
    what: path,
    undo: (late) => (before === undefined ? host.remove(path, late) : host.writeFile(path, before, late)),
  })
  await host.writeFile(path, configFile(settings, volumes, randomUUID()), { ...options, mode: 0o644 })
  say('Done\n')
}

/** Without letters that are read as others. */
const letters = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789'

async function letIn(
  host: Host,
  settings: CreateSettings,
  mounted: readonly Mounted[],
  say: Say,
  options: CallOptions,
): Promise<Created> {
  const { password: given, generatedPasswordLength: length } = settings
  say('\nSetting up root password\n')
  if (given === undefined && length > 0) say('Generating a password for the new guest.\n')
  const made = Array.from({ length }, () => letters[randomInt(letters.length)]).join('')
  const wanted = given ?? (length === 0 ? undefined : made)
  const isSet = wanted !== undefined && (await customise.setPassword(host, settings, wanted, mounted, options))
  if (given !== undefined && !isSet)
    throw new InfraError('unsupported', 'the guest has no chpasswd, and --password no effect', {
      subject: settings.hostname,
      hint: 'leave it out, and set the password in the tree that it is made from',
    })
  const fingerprints = await customise.makeSshKeys(host, mounted, options)
  say('All done\n')
  return { password: isSet ? wanted : undefined, fingerprints }
}

/** The host finds the guest by its name, unless it does already. */
async function enterHosts(host: Host, settings: CreateSettings, options: CallOptions): Promise<void> {
  const text = new TextDecoder().decode((await host.readFile('/etc/hosts', options)) ?? new Uint8Array())
  if (text.split(/\s+/).includes(settings.hostname)) return
  const end = text === '' || text.endsWith('\n') ? '' : '\n'
  await host.writeFile('/etc/hosts', `${text}${end}${hostsLine(settings)}\n`, options)
}

/** Only what this run has made, the newest first. */
async function takeBack({ settings, say, undos }: Work, error: unknown): Promise<void> {
  say(`\n${describeError(error)}\n`)
  if (undos.length === 0) return
  if (settings.keepsRemains) {
    say(`--keep: left as it is: ${undos.map(({ what }) => what).join(' ')}\n`)
    return
  }
  for (const { what, undo } of undos.toReversed())
    await undo({ signal: AbortSignal.timeout(sweepMs) }).catch((reason: unknown) => {
      say(`could not remove ${what}: ${isInfraError(reason) ? reason.message : String(reason)}\n`)
    })
  say(`Removed what was made: ${undos.map(({ what }) => what).join(' ')}\n`)
}
