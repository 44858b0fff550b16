/** One disk of an xl.cfg (xl-disk-configuration(5)), read and written. Pure. */

export type XlDisk = {
  /** A path, absolute; '' for an empty drive. */
  readonly target: string
  readonly format: string
  readonly vdev: string
  readonly isReadOnly: boolean
  readonly isCdrom: boolean
}

const formats = ['raw', 'qcow', 'qcow2', 'vhd', 'qed']
const readOnly = ['r', 'ro']
const access = [...readOnly, 'w', 'rw']
/** Deprecated words before the target that say nothing any more. */
const prefixes = /^(?:(?:file|phy|tap2?|aio|ioemu):)+/

/** Positional, by keys, or mixed; and the old `file:TARGET,VDEV,ACCESS`. Keys that do not matter here are passed over. */
export function parseXlDisk(text: string): XlDisk {
  const found: { target?: string; format?: string; vdev?: string; access?: string } = {}
  let isCdrom = false
  const { words, target } = wordsOf(text)
  if (target !== undefined) found.target = target
  const places = ['target', 'format', 'vdev', 'access'] as const
  let place = 0
  for (const word of words) {
    const [, key, value = ''] = /^(\w+)=(.*)$/.exec(word) ?? []
    if (key === 'devtype') isCdrom ||= value === 'cdrom'
    else if (key === 'format' || key === 'vdev' || key === 'access') found[key] = value
    else if (word === 'cdrom') isCdrom = true
    else if (key === undefined) {
      const isShort = place === 1 && !formats.includes(word) && word !== ''
      const at = places[isShort ? ++place : place]
      place += 1
      if (at !== undefined && word !== '') found[at] = word
    }
  }
  return described(found, isCdrom)
}

/** `target=` takes all the rest. */
function wordsOf(text: string): { readonly words: readonly string[]; readonly target?: string } {
  const at = /(?:^|,)\s*target=/.exec(text)
  const words = (at === null ? text : text.slice(0, at.index)).split(',').map((word) => word.trim())
  return at === null
    ? { words }
    : { words: words.filter((word) => word !== ''), target: text.slice(at.index + at[0].length) }
}

function described(
  found: { readonly target?: string; readonly format?: string; readonly vdev?: string; readonly access?: string },
  isCdromWord: boolean,
): XlDisk {
  const bare = (found.target ?? '').replace(prefixes, '')
  const inner = /^(qcow2?|vhd|qed|raw):/.exec(bare)?.[1]
  const path = inner === undefined ? bare : bare.slice(inner.length + 1)
  const [vdev = '', suffix] = (found.vdev ?? '').split(':')
  const isCdrom = isCdromWord || suffix === 'cdrom'
  const mode = access.includes(found.access ?? '') ? found.access : isCdrom ? 'r' : 'w'
  return {
    target: path === '' || path.startsWith('/') ? path : `/dev/${path}`,
    format: found.format ?? inner ?? 'raw',
    vdev,
    isReadOnly: readOnly.includes(mode ?? 'w'),
    isCdrom,
  }
}

/** By keys, the target last: it may hold commas. */
export function printXlDisk({ target, format, vdev, isReadOnly, isCdrom }: XlDisk): string {
  const device = isCdrom ? ',devtype=cdrom' : ''
  return `format=${format},vdev=${vdev},access=${isReadOnly ? 'ro' : 'rw'}${device},target=${target}`
}
