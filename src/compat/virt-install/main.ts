/** Where `virt-install` begins: the words as they were typed, nobody else's options. */
import { isInfraError } from '../../errors.ts'
import { XmlError } from '../../formats/domain-xml/document.ts'
import { localHost } from '../../hosts/local/local.ts'
import { type Built, buildDomains } from './build.ts'
import { createGuest } from './create.ts'
import { helpText } from './help.ts'
import { connectLibvirt, hostFacts } from './host.ts'
import { readOptions, type Said } from './options.ts'
import { osNames } from './osinfo.ts'
import { Refusal } from './refusal.ts'
import { optionTables } from './sub-options.ts'

/** Longer than any answer of a host takes that is not lost. */
const patienceMs = 120_000

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
  const asked = said.options.find(({ name, value }) => name in optionTables && (value === '?' || value === 'help'))
  if (asked !== undefined) return void process.stdout.write(subOptionsText(asked.name))
  refuseWhatIsLeftOut(said)
  if (last('connect') !== undefined) process.env['LIBVIRT_DEFAULT_URI'] = last('connect')
  const options = { signal: AbortSignal.timeout(patienceMs) }
  const host = localHost()
  const connection = await connectLibvirt(host, options)
  try {
    const built = buildDomains(said, await hostFacts(host, connection, options))
    for (const note of built.notes) process.stderr.write(`virt-install: ${note}\n`)
    if (has('print-xml')) process.stdout.write(printed(built, last('print-xml')))
    else if (has('dry-run')) process.stdout.write('Dry run completed successfully\n')
    else
      await createGuest(host, connection, built, { autostart: has('autostart'), transient: has('transient') }, options)
  } finally {
    connection?.close()
  }
}

/** Said before anything is looked at, rather than left out in silence. */
const leftOut: Readonly<Record<string, string>> = {
  unattended: 'put a preseed, kickstart or cloud-init file on the installation medium',
  'cloud-init': 'make a seed image (cloud-localds) and attach it: --disk seed.iso,device=cdrom',
  reinstall: 'undefine the guest and install it again',
  container: 'Baton runs virtual machines, no containers',
  paravirt: 'Baton runs virtual machines with all of the hardware only',
  location: 'give the ISO with --cdrom, or its kernel and initrd with --boot kernel=…,initrd=…',
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

function subOptionsText(name: string): string {
  const names = [...(optionTables[name]?.subOptions.keys() ?? [])].map((one) => one.replaceAll('#', '[0-9]*')).sort()
  return `--${name} options:\n${['clearxml', ...names].map((one) => `  ${one}\n`).join('')}\n`
}
