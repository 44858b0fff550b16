/** Where `virt-install` begins: the words as they were typed, nobody else's options. */
import { within } from '../../deadline.ts'
import { isInfraError } from '../../errors.ts'
import { XmlError } from '../../formats/domain-xml/document.ts'
import type { Connection } from '../../guests/libvirt/connection.ts'
import { parseFarUri } from '../../guests/libvirt/far.ts'
import { findDaemon } from '../../guests/libvirt/open.ts'
import type { Host } from '../../hosts/host.ts'
import { localHost } from '../../hosts/local/local.ts'
import { type Built, buildDomains } from './build.ts'
import { chosenOs } from './chosen-os.ts'
import { createGuest } from './create.ts'
import { type FollowWishes, followGuest } from './follow.ts'
import { helpText } from './help.ts'
import { connectLibvirt, hostFacts, mediaDirectory } from './host.ts'
import { installWords } from './install-words.ts'
import { findMedia, type Media } from './media.ts'
import { readOptions, type Said } from './options.ts'
import { osNames } from './osinfo.ts'
import { Refusal } from './refusal.ts'
import { optionTables } from './sub-options.ts'

/** Longer than any answer of a host takes that is not lost. */
const patienceMs = 120_000
/** Installers are fetched, and disks are filled. */
const createMs = 3_600_000

/** Runs to its end; the process ends with its exit code. */
export async function runVirtInstallFront(words: readonly string[]): Promise<void> {
  try {
    await run(words)
  } catch (error) {
    if (error instanceof Refusal) {
      process.stderr.write(error.code === 2 ? `${error.message}\n` : `ERROR    ${error.message}\n`)
      process.exitCode = error.code
    } else if (isInfraError(error) || error instanceof XmlError) {
      process.stderr.write(`ERROR    ${error.message}\n`)
      if (isInfraError(error) && error.hint !== undefined) process.stderr.write(`         ${error.hint}\n`)
      process.exitCode = 1
    } else throw error
  }
}

async function run(words: readonly string[]): Promise<void> {
  const said = readOptions(words)
  const last = (name: string): string | undefined => said.options.findLast((option) => option.name === name)?.value
  const has = (name: string): boolean => said.options.some((option) => option.name === name)
  if (words.length === 0 || has('help')) return void process.stdout.write(helpText)
  if (has('version')) return void process.stdout.write('4.1.0\n')
  if (last('os-variant') === 'list') return void process.stdout.write(`${osNames().join('\n')}\n`)
  const asked = said.options.find(({ name, value }) => hasWords(name) && (value === '?' || value === 'help'))
  if (asked !== undefined) return void process.stdout.write(subOptionsText(asked.name))
  refuseWhatIsLeftOut(said)
  if (last('connect') !== undefined) process.env['LIBVIRT_DEFAULT_URI'] = last('connect')
  const wishes = readWishes(said)
  const host = localHost()
  const options = { signal: AbortSignal.timeout(patienceMs) }
  refuseFar()
  const { uri } = await findDaemon(host, options)
  const connection = await connectLibvirt(host, options)
  try {
    const place = {
      arch: last('arch') ?? 'x86_64',
      directory: await mediaDirectory(host, uri, options),
      urlArgument: chosenOs(last('os-variant'))?.urlArgument,
    }
    const media = await findMedia(said, place, options)
    const built = buildDomains(said, await hostFacts(host, connection, options), media)
    for (const note of built.notes) process.stderr.write(`virt-install: ${note}\n`)
    if (has('print-xml')) process.stdout.write(printed(built, last('print-xml')))
    else if (has('dry-run')) process.stdout.write('Dry run completed successfully\n')
    else if (connection === undefined)
      throw new Refusal(
        'no libvirt daemon listens (systemctl start libvirtd); --print-xml prints the domain without one',
      )
    else process.exitCode = await install(host, connection, built, media, { ...wishes, uri: last('connect') ?? uri })
  } finally {
    connection?.close()
  }
}

type Wishes = FollowWishes & { readonly autostart: boolean }

/** @throws Refusal */
function readWishes({ options }: Said): Omit<Wishes, 'uri'> {
  const last = (name: string) => options.findLast((option) => option.name === name)
  const has = (name: string): boolean => last(name) !== undefined
  const shown = has('noautoconsole') ? 'none' : (last('autoconsole')?.value ?? 'default')
  if (!isConsole(shown)) throw new Refusal(`Unknown autoconsole type '${shown}'`)
  const minutes = has('wait') ? Number(last('wait')?.value ?? -1) : undefined
  if (Number.isNaN(minutes))
    throw new Refusal(`virt-install: error: argument --wait: invalid int value: '${last('wait')?.value}'`, 2)
  // As it always was: to wait for no time is not to wait.
  const dontWait = minutes === 0
  if (dontWait) process.stderr.write('WARNING  Treating --wait 0 as --noautoconsole\n')
  return {
    console: dontWait ? 'none' : shown,
    wait: dontWait ? undefined : minutes,
    noReboot: has('noreboot'),
    transient: has('transient'),
    destroyOnExit: has('destroy-on-exit'),
    autostart: has('autostart'),
  }
}

function isConsole(text: string): text is FollowWishes['console'] {
  return ['default', 'text', 'graphical', 'none'].includes(text)
}

/** Resolves to the exit code. An interrupt ends the wait, not the guest. */
async function install(
  host: Host,
  connection: Connection,
  built: Built,
  media: Media,
  wishes: Wishes,
): Promise<number> {
  const interrupted = new AbortController()
  const interrupt = (): void => interrupted.abort()
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  process.stdout.write('\nStarting install...\n')
  if (media.password !== undefined) process.stdout.write(`Password for first root login is: ${media.password}\n`)
  const deadline = within(interrupted.signal, createMs)
  const domain = await createGuest(host, connection, built, media, wishes, { signal: deadline })
  return followGuest(connection, domain, built, wishes, { signal: interrupted.signal })
}

/** Media and disks are files of the machine where it runs. */
function refuseFar(): void {
  const uri = process.env['LIBVIRT_DEFAULT_URI'] ?? ''
  const far = parseFarUri(uri)
  if (far === undefined) return
  const { host, user } = far.destination
  const place = user === undefined ? host : `${user}@${host}`
  throw new Refusal(`--connect ${uri} is not supported: run it there, ssh ${place} baton virt-install …`)
}

/** Said before anything is looked at, rather than left out in silence. */
const leftOut: Readonly<Record<string, string>> = {
  unattended:
    "libosinfo's scripts are not used; give your own file: --location TREE --initrd-inject preseed.cfg (or ks.cfg) " +
    "--extra-args 'auto=true file=/preseed.cfg' (or 'inst.ks=file:/ks.cfg'); --cloud-init user-data=FILE for a cloud image",
  reinstall: 'undefine the guest (its disks stay) and install it again over them, by --disk PATH',
  container: 'Baton runs virtual machines, no containers',
  paravirt: 'Baton runs virtual machines with all of the hardware only',
}

function refuseWhatIsLeftOut({ options }: Said): void {
  for (const { name } of options) {
    const instead = leftOut[name]
    if (instead !== undefined) throw new Refusal(`--${name} is not supported: ${instead}`)
  }
}

/** All steps, or the one that is asked for. @throws Refusal */
function printed({ install, final }: Built, step: string | undefined): string {
  const steps = install === undefined ? [final] : [install, final]
  if (step === undefined || step === 'all') return steps.join('')
  const one = /^[123]$/.test(step) ? steps[Number(step) - 1] : undefined
  if (one === undefined) throw new Refusal(`Unknown XML step request '${step}', must be 1, 2, or all`)
  return one
}

function hasWords(option: string): boolean {
  return option in optionTables || option in installWords
}

function subOptionsText(name: string): string {
  const names = installWords[name] ?? [
    'clearxml',
    ...[...(optionTables[name]?.subOptions.keys() ?? [])].map((one) => one.replaceAll('#', '[0-9]*')).sort(),
  ]
  return `--${name} options:\n${names.map((one) => `  ${one}\n`).join('')}\n`
}
