/** Settings of the whole director: what clusters and hands want of them, and what is to change. Pure. */
import type { Settings, SettingsChange, SysctlName, Timeouts } from '../lvs/settings.ts'
import { defaultSettings } from '../lvs/settings.ts'
import type { ClusterServices } from './control.ts'

/** `timeouts.tcp`, `sysctls.expire_nodest_conn` … and their values. */
type Flat = ReadonlyMap<string, number>

/** What another cluster wants otherwise. */
export function settingConflicts(wanted: ClusterServices, clusters: readonly ClusterServices[]): string[] {
  const mine = flat(wanted.settings)
  return clusters
    .filter(({ cluster }) => cluster !== wanted.cluster)
    .flatMap(({ cluster, settings }) =>
      [...flat(settings)].flatMap(([key, value]) => {
        const ours = mine.get(key)
        if (ours === undefined || ours === value) return []
        return [`${key} cannot be ${ours} for ${wanted.cluster}: it is ${value} for ${cluster}, in the same director`]
      }),
    )
}

/** What was set by hand goes before what clusters want, as their services do not touch those made by hand. */
export function wantedSettings(clusters: readonly ClusterServices[], byHand: Partial<Timeouts>): SettingsChange {
  const timeouts = Object.assign({}, ...clusters.map(({ settings }) => settings?.timeouts), byHand) as Partial<Timeouts>
  const sysctls = Object.assign({}, ...clusters.map(({ settings }) => settings?.sysctls)) as SettingsChange['sysctls']
  return { timeouts, ...(sysctls === undefined ? {} : { sysctls }) }
}

/** `owned`: what was wanted here before; where nobody wants it any more, it goes back to its default. */
export function settingsChange(
  standing: Settings,
  wanted: SettingsChange,
  owned: ReadonlySet<string>,
): SettingsChange | undefined {
  const is = flat(standing)
  const target = new Map(flat(wanted))
  const defaults = flat(defaultSettings)
  for (const key of owned) if (!target.has(key)) target.set(key, defaults.get(key) ?? 0)
  const changed = [...target].filter(([key, value]) => is.get(key) !== value)
  return changed.length === 0 ? undefined : unflat(changed)
}

export function settingKeys(settings: SettingsChange): string[] {
  return [...flat(settings).keys()]
}

function flat(settings: SettingsChange | undefined): Flat {
  return new Map([
    ...Object.entries(settings?.timeouts ?? {}).map(([key, value]) => [`timeouts.${key}`, value] as const),
    ...Object.entries(settings?.sysctls ?? {}).map(([key, value]) => [`sysctls.${key}`, value] as const),
  ])
}

function unflat(entries: readonly (readonly [string, number])[]): SettingsChange {
  const timeouts: { -readonly [Name in keyof Timeouts]?: number } = {}
  const sysctls: { [Name in SysctlName]?: number } = {}
  for (const [key, value] of entries) {
    const name = key.slice(key.indexOf('.') + 1)
    if (key.startsWith('timeouts.')) timeouts[name as keyof Timeouts] = value
    else sysctls[name as SysctlName] = value
  }
  return {
    ...(Object.keys(timeouts).length === 0 ? {} : { timeouts }),
    ...(Object.keys(sysctls).length === 0 ? {} : { sysctls }),
  }
}
