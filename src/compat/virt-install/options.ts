/** The command line of virt-install(1): which options there are, and what was said. */
import { nearest } from '../../cluster/spec/suggest.ts'
import { withoutOldOptions } from './old-options.ts'
import { Refusal } from './refusal.ts'
import { optionTables } from './sub-options.ts'

/** Options that take no value, a value, or a value that may be left out. */
type Arity = 'none' | 'one' | 'maybe'

const plain: Readonly<Record<string, Arity>> = {
  connect: 'one', name: 'one', uuid: 'one', description: 'one', 'os-variant': 'one', cdrom: 'one', location: 'one',
  pxe: 'none', import: 'none', 'extra-args': 'one', 'initrd-inject': 'one', unattended: 'maybe', install: 'one',
  reinstall: 'one', 'cloud-init': 'maybe', nographics: 'none', hvm: 'none', paravirt: 'none', container: 'none',
  'virt-type': 'one', arch: 'one', machine: 'one', autostart: 'none', transient: 'none', 'destroy-on-exit': 'none',
  wait: 'maybe', autoconsole: 'one', noautoconsole: 'none', noreboot: 'none', 'print-xml': 'maybe', 'dry-run': 'none',
  check: 'one', quiet: 'none', debug: 'none', help: 'none', version: 'none', livecd: 'none', nodisks: 'none',
  nonetworks: 'none', noapic: 'none', noacpi: 'none', accelerate: 'none', vnc: 'none', sdl: 'none', cpuset: 'one',
  vncport: 'one', vnclisten: 'one', keymap: 'one', mac: 'one', bridge: 'one', 'check-cpu': 'none',
} // biome-ignore format: a list to read at a glance

/** Other names of the same option; those of one letter stand after one dash. */
const aliases: Readonly<Record<string, string>> = {
  n: 'name', m: 'mac', b: 'bridge', k: 'keymap', r: 'memory', ram: 'memory', u: 'uuid', c: 'cdrom', l: 'location', x: 'extra-args', w: 'network', v: 'hvm',
  p: 'paravirt', h: 'help', q: 'quiet', d: 'debug', osinfo: 'os-variant', 'os-type': 'os-type', 'host-device': 'hostdev',
  security: 'seclabel', 'memory-backing': 'memorybacking', soundhw: 'sound', 'launch-security': 'launchSecurity',
  launchsecurity: 'launchSecurity', initrd: 'initrd-inject', noautoconsole: 'noautoconsole', force: 'force', prompt: 'prompt',
} // biome-ignore format: a list to read at a glance

export type Said = {
  /** In order: devices come as they were named. */
  readonly options: readonly { readonly name: string; readonly value: string | undefined }[]
}

/** Words that were options once, and are still let pass. */
const passed = new Set(['os-type', 'force', 'prompt'])

/** @throws Refusal with code 2 for a word that is no option: it names the nearest. */
export function readOptions(words: readonly string[]): Said {
  const options: { name: string; value: string | undefined }[] = []
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? ''
    const { name, inline } = readName(word)
    const arity = arityOf(name)
    if (arity === undefined) throw unknownOption(word, name)
    if (arity === 'none' && inline !== undefined)
      throw usage(`argument --${name}: ignored explicit argument '${inline}'`)
    const next = words[at + 1]
    const takesNext = inline === undefined && arity !== 'none' && next !== undefined && !isOption(next)
    if (arity === 'one' && inline === undefined && !takesNext) throw usage(`argument --${name}: expected one argument`)
    if (takesNext) at += 1
    options.push({ name, value: takesNext ? next : inline })
  }
  return { options: withoutOldOptions(options) }
}

/** `-1` of `--wait -1` is a number, not an option. */
function isOption(word: string): boolean {
  return word.startsWith('-') && !/^-\d/.test(word) && word !== '-'
}

function readName(word: string): { readonly name: string; readonly inline: string | undefined } {
  const long = /^--([^=]+)(?:=(.*))?$/s.exec(word)
  if (long !== null) return { name: aliases[long[1] ?? ''] ?? long[1] ?? '', inline: long[2] }
  const short = /^-([a-zA-Z])(.*)$/s.exec(word)
  if (short === null) throw usage(`unrecognized arguments: ${word}`)
  const rest = short[2] ?? ''
  return { name: aliases[short[1] ?? ''] ?? short[1] ?? '', inline: rest === '' ? undefined : rest.replace(/^=/, '') }
}

function arityOf(name: string): Arity | undefined {
  if (passed.has(name)) return name === 'os-type' ? 'one' : 'none'
  if (name === 'sound') return 'maybe'
  return plain[name] ?? (name in optionTables ? 'one' : undefined)
}

function unknownOption(word: string, name: string): Refusal {
  const near = nearest(name, [
    ...Object.keys(plain),
    ...Object.keys(optionTables),
    ...Object.keys(aliases).filter((one) => one.length > 1),
  ])
  return usage(`unrecognized arguments: ${word}${near === undefined ? '' : ` (did you mean --${near}?)`}`)
}

function usage(message: string): Refusal {
  return new Refusal(`virt-install: error: ${message}`, 2)
}
