/** Programs whose command lines Baton takes as they are: called by their own names, or as `baton NAME …`. */

import type { IpvsadmName } from '../compat/ipvsadm/main.ts'
import type { XenToolsName } from '../compat/xen-tools/main.ts'

type FrontName = IpvsadmName | 'ldirectord' | 'keepalived' | 'genhash' | 'virt-install' | XenToolsName

const frontNames = [
  'ipvsadm',
  'ipvsadm-save',
  'ipvsadm-restore',
  'ldirectord',
  'keepalived',
  'genhash',
  'virt-install',
  'xen-create-image',
  'xen-delete-image',
  'xen-list-images',
  'xen-update-image',
] as const satisfies readonly FrontName[]

export type FrontCall = { readonly name: FrontName; readonly words: readonly string[] }

/** `called`: the base name of the program; a symbolic link decides by its name. Undefined: it is Baton that is meant. */
export function frontOf(called: string, words: readonly string[]): FrontCall | undefined {
  const [first, ...rest] = words
  const byLink = frontNames.find((name) => name === called)
  if (byLink !== undefined) return { name: byLink, words }
  const byWord = frontNames.find((name) => name === first)
  return byWord === undefined ? undefined : { name: byWord, words: rest }
}

export function isXenTool(name: FrontName): name is XenToolsName {
  return name.startsWith('xen-')
}
