/** The hypervisor's command line, and the ways of writing it that Xen ignores without a word. */

export type Misspelling = { readonly written: string; readonly why: string; readonly instead: string }

const names: Readonly<Record<string, string>> = {
  'dom0_max-vcpus': 'dom0_max_vcpus',
  'dom0-max-vcpus': 'dom0_max_vcpus',
  dom0_max_vcpu: 'dom0_max_vcpus',
  'dom0-mem': 'dom0_mem',
  dom0_memory: 'dom0_mem',
  dom0_vcpu_pin: 'dom0_vcpus_pin',
  loglevel: 'loglvl',
}

export function misspelledXenOptions(line: string): Misspelling[] {
  return line
    .split(/\s+/)
    .filter((word) => word !== '')
    .flatMap((word): Misspelling[] => {
      const [name, value] = splitOnce(word)
      const right = names[name.toLowerCase()]
      const instead = (mended: string): string => (value === '' ? mended : `${mended}=${value}`)
      if (right !== undefined)
        return [{ written: word, why: `Xen knows no ${name} and ignores it`, instead: instead(right) }]
      if (/^dom0/i.test(name) && name !== name.toLowerCase())
        return [{ written: word, why: 'Xen reads names in lower case only', instead: instead(name.toLowerCase()) }]
      return name === 'dom0_mem' ? misspelledMemory(word, value) : []
    })
}

function misspelledMemory(word: string, value: string): Misspelling[] {
  const mended = value.replaceAll(/\b(min|max)=/g, '$1:')
  if (mended !== value)
    return [{ written: word, why: 'the limit after = is lost, and Dom0 grows at will', instead: `dom0_mem=${mended}` }]
  if (value.endsWith(','))
    return [{ written: word, why: 'a blank ends the list: what follows is lost', instead: 'no blank after the comma' }]
  const parts = value.split(',')
  if (!parts.some((part) => bareSize.test(part))) return []
  const sized = parts.map((part) => (bareSize.test(part) ? `${part}M` : part)).join(',')
  return [{ written: word, why: 'a size without a unit is in KiB', instead: `dom0_mem=${sized}` }]
}

const bareSize = /^(?:(?:min|max):)?\d+$/

function splitOnce(word: string): [string, string] {
  const at = word.indexOf('=')
  return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)]
}

type XenLine = { readonly path: string; readonly line: string }

/** What the files of GRUB 2 and of GRUB legacy give the hypervisor, each with its file; and options of Xen that Linux gets. */
export function xenLinesOfGrub(files: Readonly<Record<string, string>>): XenLine[] {
  return Object.entries(files).flatMap(([path, text]) => {
    const form = path.startsWith('/etc/default/grub')
      ? /^\s*GRUB_CMDLINE_XEN(?:_DEFAULT)?=(["']?)(.*)\1\s*$/gm
      : legacyMenus.has(path)
        ? /^(# xenhopt=|\s*kernel\s+\S*xen\S*gz\s)\s*(.*)$/gm
        : undefined
    return form === undefined ? [] : [...text.matchAll(form)].map((match) => ({ path, line: match[2] ?? '' }))
  })
}

const legacyMenus: ReadonlySet<string> = new Set(['/boot/grub/menu.lst', '/boot/grub/grub.conf'])

/** Options of the hypervisor in what GRUB gives Linux, which knows nothing of them. */
export function xenOptionsOfLinux(
  files: Readonly<Record<string, string>>,
): (Misspelling & { readonly path: string })[] {
  return Object.entries(files).flatMap(([path, text]) =>
    path.startsWith('/etc/default/grub')
      ? [...text.matchAll(/^\s*GRUB_CMDLINE_LINUX(?:_DEFAULT)?=(["']?)(.*)\1\s*$/gm)].flatMap((match) =>
          (match[2] ?? '')
            .split(/\s+/)
            .filter((word) => /^dom0[_-]/i.test(word))
            .map((written) => ({
              path,
              written,
              why: 'Linux gets it, and the hypervisor does not',
              instead: 'it into GRUB_CMDLINE_XEN',
            })),
        )
      : [],
  )
}
