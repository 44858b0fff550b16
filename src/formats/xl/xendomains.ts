/**
 * What becomes of Xen's guests when the host halts and starts: the settings of xendomains (Debian: /etc/default/xendomains,
 * the RHEL family: /etc/sysconfig/xendomains), which its script reads as a shell does. Pure.
 */
export type Xendomains = {
  /** Guests that are linked in /etc/xen/auto are started with the host. */
  readonly auto: boolean
  /** Guests' memory is saved when the host halts; else they are shut down. */
  readonly save: boolean
  /** What was saved goes on when the host starts. */
  readonly restore: boolean
  /** What `xl migrate` is given after the guest's name when the host halts; '' for nowhere. */
  readonly migrate: string
}

/** By the family of the host's distribution. */
export const xendomainsFile = (family: string): string =>
  family === 'redhat' ? '/etc/sysconfig/xendomains' : '/etc/default/xendomains'

/** Each is on when it has any text, which is what is written to switch it on. */
const variables = {
  auto: { name: 'XENDOMAINS_AUTO', on: '/etc/xen/auto' },
  save: { name: 'XENDOMAINS_SAVE', on: '/var/lib/xen/save' },
  restore: { name: 'XENDOMAINS_RESTORE', on: 'true' },
  migrate: { name: 'XENDOMAINS_MIGRATE', on: '' },
} as const

/** Upstream's script counts `false` as off. */
const isOn = (value: string): boolean => value !== '' && value !== 'false'

/** Debian's own values stand where the file names none. */
export function parseXendomains(text: string): Xendomains {
  const valueOf = (name: string, standing: string): string => {
    const set = new RegExp(`^[ \\t]*${name}=(?:"([^"]*)"|'([^']*)'|([^\\s#]*))`, 'gm')
    const [, double, single, bare] = [...text.matchAll(set)].at(-1) ?? []
    return double ?? single ?? bare ?? standing
  }
  const flag = ({ name, on }: { readonly name: string; readonly on: string }): boolean => isOn(valueOf(name, on))
  const { auto, save, restore, migrate } = variables
  return { auto: flag(auto), save: flag(save), restore: flag(restore), migrate: valueOf(migrate.name, migrate.on) }
}

/** The variables that make it as wanted, and no other: a directory that was chosen by hand stays. */
export function xendomainsVariables(now: Xendomains, wanted: Partial<Xendomains>): Record<string, string> {
  const set: Record<string, string> = {}
  for (const key of ['auto', 'save', 'restore'] as const)
    if (wanted[key] !== undefined && wanted[key] !== now[key])
      set[variables[key].name] = `"${wanted[key] ? variables[key].on : ''}"`
  if (wanted.migrate !== undefined && wanted.migrate !== now.migrate)
    set[variables.migrate.name] = `"${wanted.migrate}"`
  return set
}

/** In words, for a table. */
export function describeXendomains({ auto, save, restore, migrate }: Xendomains): string {
  const halting = migrate === '' ? (save ? 'saved' : 'shut down') : `moved to ${migrate}`
  const starting = auto ? 'what has autostart' : 'nothing'
  return `at halt ${halting}; at start ${starting}${restore ? ', and what was saved' : ''}`
}
