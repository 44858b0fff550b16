/** Xen as what the machine starts, with Dom0's memory and processors on the hypervisor's own command line. */
import { InfraError } from '../../errors.ts'
import type { Family, Survey } from '../survey/survey.ts'
import { misspelledXenOptions, xenLinesOfGrub, xenOptionsOfLinux } from '../survey/xen-options.ts'
import { mergedWords, ownMark, type Step, type Words, withWords } from './step.ts'

export type Dom0 = { readonly memory: string; readonly vcpus: number }

const ownFile = '/etc/default/grub.d/baton-xen.cfg'
const legacyMenu = '/boot/grub/menu.lst'
const isLegacy = ({ packages, files }: Survey): boolean =>
  packages.has('grub-legacy') && files[legacyMenu] !== undefined

/** @throws InfraError for a machine that GRUB cannot start Xen on, and for options that Xen would not heed. */
export function checkBoot(survey: Survey, { memory, vcpus }: Dom0): void {
  const error = (code: InfraError['code'], message: string, hint: string): InfraError =>
    new InfraError(code, message, { subject: survey.distribution.name, hint })
  if (survey.hasSecureBoot) throw error('unsupported', 'Secure Boot is on: GRUB refuses to start Xen', 'turn it off')
  if (!survey.programs.some((name) => name === 'update-grub' || name === 'grub2-mkconfig'))
    throw error('unsupported', 'there is no GRUB here', 'Xen is started by GRUB: install it, or start Xen by hand')
  if (isLegacy(survey) && survey.isEfi)
    throw error('unsupported', 'GRUB legacy does not start from UEFI', 'install GRUB 2, its package grub-efi-amd64')
  if (!/^[1-9]\d*[MG]$/.test(memory))
    throw error('invalid', `${memory} is no memory for Dom0`, 'write a size such as 2G or 1536M')
  if (!Number.isInteger(vcpus) || vcpus < 1)
    throw error('invalid', `${vcpus} is no number of processors`, 'write 1 or more')
  const bytes = Number.parseInt(memory, 10) * (memory.endsWith('G') ? 2 ** 30 : 2 ** 20)
  if (survey.memoryBytes > 0 && bytes >= survey.memoryBytes && !survey.isDom0)
    throw error('invalid', `${memory} for Dom0 is all that this machine has`, 'leave some for guests: --dom0-memory 1G')
  const wrong = [
    ...xenLinesOfGrub(survey.files).flatMap(({ path, line }) =>
      misspelledXenOptions(line).map((found) => ({ path, ...found })),
    ),
    ...xenOptionsOfLinux(survey.files),
  ]
  if (wrong.length > 0)
    throw error(
      'invalid',
      wrong.map(({ path, written, why }) => `${path}: ${written}: ${why}`).join('; '),
      `write ${wrong.map(({ instead }) => instead).join(' and ')} there, or take it out, then run this again`,
    )
  checkOverrides(survey)
}

/** A file that GRUB reads after ours, and that says otherwise. */
function checkOverrides({ files }: Survey): void {
  for (const [path, text] of Object.entries(files)) {
    if (!path.startsWith('/etc/default/grub.d/') || path <= ownFile) continue
    const [line] =
      /^[ \t]*(?:GRUB_CMDLINE_XEN_DEFAULT=(?!["']?\$\{?GRUB_CMDLINE_XEN_DEFAULT)|XEN_OVERRIDE_GRUB_DEFAULT=["']?0).*$/m.exec(
        text,
      ) ?? []
    if (line === undefined) continue
    throw new InfraError('invalid', `${path}: ${line.trim()}: it is read after ${ownFile}, and undoes it`, {
      subject: path,
      hint: 'write the line into /etc/default/grub, or take it out, then run this again',
    })
  }
}

export function bootSteps(survey: Survey, family: Family, dom0: Dom0): Step[] {
  const options = `dom0_mem=${dom0.memory},max:${dom0.memory} dom0_max_vcpus=${dom0.vcpus}`
  const what = `boot Xen by default, with ${dom0.memory} and ${dom0.vcpus} ${dom0.vcpus === 1 ? 'processor' : 'processors'} for Dom0`
  if (isLegacy(survey)) return legacySteps(survey, what, options)
  return family === 'debian' ? debianSteps(survey, what, options) : centosSteps(survey, what, options)
}

/**
 * GRUB 2 reads grub.d in order: baton-xen.cfg comes before xen.cfg of Debian's package, which makes Xen the default and
 * is told here to do so quietly. update-grub writes /boot/grub/grub.cfg, with BIOS and with UEFI.
 */
function debianSteps(survey: Survey, what: string, options: string): Step[] {
  // What /etc/default/grub has set stays; of two options of one name Xen takes the last.
  const after = `${ownMark}GRUB_CMDLINE_XEN_DEFAULT="$GRUB_CMDLINE_XEN_DEFAULT ${options}"\nXEN_OVERRIDE_GRUB_DEFAULT=1\n`
  return menuSteps(survey, {
    path: ownFile,
    after,
    what,
    options,
    commands: [['update-grub']],
    undo: `rm ${ownFile} && update-grub`,
  })
}

/**
 * CentOS reads /etc/default/grub alone, to which the package xen adds options of its own while it is installed. Its own tool puts
 * Xen first, and writes the menu where it lies, with BIOS and with UEFI.
 */
function centosSteps(survey: Survey, what: string, options: string): Step[] {
  const change: Words = { path: '/etc/default/grub', variable: 'GRUB_CMDLINE_XEN_DEFAULT', words: options.split(' ') }
  const before = survey.files[change.path] ?? ''
  const isSet = withWords(before, change) === before
  const mkconfig = ['grub2-mkconfig', '-o', survey.isEfi ? `${efiFolder}/grub.cfg` : '/boot/grub2/grub.cfg']
  if (isSet && survey.bootOptions.some((found) => found.includes(options))) return []
  return [
    {
      what,
      reason: isSet ? 'the boot menu lacks the options' : `${change.path} says something else`,
      undo: `put ${change.path} back from its copy; mv /etc/grub.d/08_linux_xen /etc/grub.d/20_linux_xen; ${mkconfig.join(' ')}`,
      files: isSet ? [] : [change],
      commands: survey.isEfi ? [copyModules, ['grub-bootxen.sh'], mkconfig] : [['grub-bootxen.sh']],
    },
  ]
}

const efiFolder = '/boot/efi/EFI/centos'

/** Beside the GRUB that the firmware starts, which looks for them there. */
const copyModules = ['cp', '--recursive', '/usr/lib/grub/x86_64-efi', efiFolder]

/** Debian's update-grub of GRUB legacy keeps its settings in comments of the menu, and writes Xen's entries first. */
function legacySteps(survey: Survey, what: string, options: string): Step[] {
  const before = survey.files[legacyMenu] ?? ''
  const start = '## ## Start Default Options ##'
  if (!before.includes(start))
    throw new InfraError('unsupported', `${legacyMenu} has no part that update-grub writes`, {
      subject: legacyMenu,
      hint: 'let update-grub write one (mv it away, and run update-grub), then run this again',
    })
  const now = /^# xenhopt=(.*)$/m.exec(before)?.[1] ?? ''
  const wanted = mergedWords(now, options.split(' '))
  const withOptions =
    now === wanted ? before : before.replaceAll(/^# xenhopt=.*\n/gm, '').replace(start, `${start}\n# xenhopt=${wanted}`)
  const after = withOptions.replace(/^[ \t]*default[ \t]+(?!0\s*$)\S+.*$/m, 'default\t\t0')
  const commands = [['update-grub']]
  const undo = `put ${legacyMenu} back from its copy`
  return menuSteps(survey, { path: legacyMenu, after, what, options, commands, undo })
}

type Menu = {
  readonly path: string
  readonly after: string
  readonly what: string
  readonly options: string
  readonly commands: Step['commands']
  readonly undo: string
}

function menuSteps(survey: Survey, { path, after, what, options, commands, undo }: Menu): Step[] {
  const before = survey.files[path] ?? ''
  const isInMenu = survey.bootOptions.some((found) => found.includes(options))
  if (before === after && isInMenu) return []
  if (before === after)
    return [{ what: 'make the boot menu anew', reason: 'it lacks the options', undo: 'none', files: [], commands }]
  return [
    {
      what,
      reason: before === '' ? `${path} is not there` : `${path} says something else`,
      undo,
      files: [{ path, before, after }],
      commands,
    },
  ]
}
