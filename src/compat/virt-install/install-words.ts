/** Options of virt-install(1) that say how a guest is installed rather than what it is: their words, by name. */
import { nearest } from '../../cluster/spec/suggest.ts'
import { Refusal } from './refusal.ts'
import { nameFirst, splitWords } from './words.ts'

/** The first is what a value without a name stands for. */
export const installWords: Readonly<Record<string, readonly string[]>> = {
  location: ['location', 'kernel', 'initrd'],
  install: ['os', 'bootdev', 'kernel', 'initrd', 'kernel_args', 'kernel_args_overwrite', 'no_install'],
  'cloud-init': [
    'root-password-generate',
    'root-password-file',
    'root-ssh-key',
    'ssh-key',
    'clouduser-ssh-key',
    'disable',
    'user-data',
    'meta-data',
    'network-config',
  ],
}

/** Only these take a first value without its name. */
const firstIsBare = new Set(['location', 'install'])

/** @throws Refusal that names the wrong word and the nearest right one */
export function readInstallWords(option: string, text: string): ReadonlyMap<string, string> {
  const names = installWords[option] ?? []
  const split = splitWords(text)
  const words = firstIsBare.has(option) ? nameFirst(split, names.slice(0, 1)) : split
  for (const { name, value } of words) {
    if (!names.includes(name)) {
      const near = nearest(name, names)
      const hint = near === undefined ? `--${option}=? lists what there is` : `did you mean ${near}?`
      throw new Refusal(`Error: --${option} ${text}: Unknown --${option} options: ['${name}']; ${hint}`)
    }
    if (value === undefined) throw new Refusal(`Error: --${option} ${text}: Option '${name}' had no value set.`)
  }
  return new Map(words.map(({ name, value }) => [name, value ?? '']))
}
