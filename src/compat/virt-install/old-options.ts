/** Options of virt-install's early days, which it still takes: said again as those of today. */
import { Refusal } from './refusal.ts'

type Option = { readonly name: string; readonly value: string | undefined }

const screens = { vnc: 'vnc', sdl: 'sdl', nographics: 'none' } as const

/** Devices come in the place of the words that made them. @throws Refusal for old words beside new ones of the same thing. */
export function withoutOldOptions(options: readonly Option[]): readonly Option[] {
  const has = (name: string): boolean => options.some((option) => option.name === name)
  const valuesOf = (name: string): string[] =>
    options.flatMap((option) => (option.name === name ? [option.value ?? ''] : []))
  const words = [graphicsOf(has, valuesOf), featuresOf(has), ...networksOf(has, valuesOf)]
  const more = [
    ...words.filter((word) => word !== undefined),
    ...valuesOf('cpuset').map((value) => ({ name: 'vcpus', value: `cpuset=${value}` })),
    ...valuesOf('description').map((value) => ({
      name: 'metadata',
      value: `description=${value.replaceAll(',', ',,')}`,
    })),
  ]
  const gone = has('mac') ? new Set([...old, 'network']) : old
  // Only that one may be left without a value.
  const sound = (option: Option): Option =>
    option.name === 'sound' && option.value === undefined ? { name: 'sound', value: 'default' } : option
  return [...options.filter(({ name }) => !gone.has(name)).map(sound), ...more]
}

const old = new Set('vnc sdl vncport vnclisten keymap noacpi noapic cpuset description mac bridge check-cpu'.split(' '))

type Has = (name: string) => boolean
type ValuesOf = (name: string) => string[]

function graphicsOf(has: Has, valuesOf: ValuesOf): Option | undefined {
  const asked = (['vnc', 'sdl', 'nographics'] as const).filter(has)
  const isOld = ['vnc', 'sdl', 'keymap', 'vncport', 'vnclisten'].some(has)
  if (has('graphics') && isOld) throw new Refusal('Cannot mix --graphics and old style graphical options')
  if (asked.length > 1) throw new Refusal("Can't specify more than one of VNC, SDL, --graphics or --nographics")
  const [kind] = asked
  if (kind === undefined || kind === 'nographics') return undefined
  const [listen, port, keymap] = [valuesOf('vnclisten'), valuesOf('vncport'), valuesOf('keymap')].map((all) =>
    all.at(-1),
  )
  const said = Object.entries({ listen, port, keymap }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  )
  return { name: 'graphics', value: [screens[kind], ...said].join(',') }
}

function featuresOf(has: Has): Option | undefined {
  const off = ['noacpi', 'noapic'].filter(has).map((name) => `${name.slice(2)}=off`)
  return off.length === 0 || has('features') ? undefined : { name: 'features', value: off.join(',') }
}

/** A hardware address alone is a card on the default network. */
function networksOf(has: Has, valuesOf: ValuesOf): Option[] {
  const macs = valuesOf('mac')
  const bridges = valuesOf('bridge').map((bridge) => `bridge=${bridge}`)
  if (bridges.length > 0 && has('network')) throw new Refusal('Cannot use --bridge and --network at the same time')
  if (bridges.length + macs.length === 0) return []
  const networks = bridges.length > 0 ? bridges : valuesOf('network')
  return Array.from({ length: Math.max(networks.length, macs.length) }, (_, at) => {
    const mac = macs[at] === undefined ? '' : `,mac=${macs[at]}`
    return { name: 'network', value: `${networks[at] ?? 'default'}${mac}` }
  })
}
