/** Sub-options that are more than a value at a place: several at once, a unit, another name. */
import {
  addElement,
  childElements,
  documentOf,
  type Element,
  ensureAt,
  setAt,
  valueAt,
} from '../../formats/domain-xml/document.ts'
import { Refusal } from './refusal.ts'
import { absolute, readSwitch, setFeature } from './settings.ts'
import type { Word } from './words.ts'

export type Special = {
  readonly domain: Element
  readonly element: Element
  readonly option: string
  readonly name: string
  readonly value: string | undefined
  readonly words: readonly Word[]
}

type Act = (at: Special) => void

const nothing: Act = () => {}
const set =
  (path: string): Act =>
  ({ element, value }) =>
    setAt(element, path, value)

const wordOf = (words: readonly Word[], name: string): string | undefined =>
  words.find((word) => word.name === name)?.value
const kib = (value: string | undefined): string => String(Math.floor(Number(value) * 1024))

const characterDevices = ['serial', 'parallel', 'console', 'channel', 'redirdev', 'smartcard']
const timerNames = ['platform', 'pit', 'rtc', 'hpet', 'tsc', 'kvmclock', 'hypervclock']

/** `host:port`; either may be missing. */
function splitHost(value: string): { readonly host: string; readonly service: string | undefined } {
  const [, host = value, service] = /^(.*?)(?::(\d+))?$/.exec(value) ?? []
  return { host: host.replace(/^\[(.*)\]$/, '$1'), service }
}

/** A unit of a socket is one `source`; one that is bound and connected, as UDP's, has two. */
function sourceElement(element: Element, mode: string): Element {
  return ensureAt(element, `./source[@mode='${mode}']`)
}

const characters: Readonly<Record<string, Act>> = Object.fromEntries(
  characterDevices.flatMap((option) => {
    const entries: Readonly<Record<string, Act>> = {
      host: ({ element, value = '', words }) => {
        const { host, service } = splitHost(value)
        const mode = wordOf(words, 'mode') ?? 'connect'
        const source = mode === 'connect' ? sourceElement(element, mode) : ensureAt(element, './source')
        setAt(source, './@mode', mode)
        setAt(source, './@host', host === '' ? '127.0.0.1' : host)
        if (service !== undefined) setAt(source, './@service', service)
      },
      bind_host: ({ element, value = '' }) => {
        const { host, service } = splitHost(value)
        const source = sourceElement(element, 'bind')
        setAt(source, './@host', host === '' ? '127.0.0.1' : host)
        if (service !== undefined) setAt(source, './@service', service)
      },
      'source.host': set('./source/@host'),
      'source.bind_host': ({ element, value }) => setAt(sourceElement(element, 'bind'), './@host', value),
      'source.bind_service': ({ element, value }) => setAt(sourceElement(element, 'bind'), './@service', value),
      'source.connect_host': ({ element, value }) => setAt(sourceElement(element, 'connect'), './@host', value),
      'source.connect_service': ({ element, value }) => setAt(sourceElement(element, 'connect'), './@service', value),
      'target.address': targetAddress,
      target_address: targetAddress,
      server: ({ element, value = '' }) => {
        const { host, service } = splitHost(value)
        setAt(element, './source/@host', host)
        if (service !== undefined) setAt(element, './source/@service', service)
      },
    }
    return Object.entries(entries).map(([name, act]) => [`${option}.${name}`, act] as const)
  }),
)

function targetAddress({ element, value = '' }: Special): void {
  const { host, service } = splitHost(value)
  setAt(element, './target/@address', host)
  if (service !== undefined) setAt(element, './target/@port', service)
}

const timers: Readonly<Record<string, Act>> = Object.fromEntries([
  ...timerNames.map((timer) => [
    `clock.${timer}_present`,
    ({ element, value = '', name }: Special) =>
      setAt(element, `./timer[@name='${timer}']/@present`, readSwitch('clock', name, value) ? 'yes' : 'no'),
  ]),
  ...['pit', 'rtc'].map((timer) => [
    `clock.${timer}_tickpolicy`,
    ({ element, value }: Special) => setAt(element, `./timer[@name='${timer}']/@tickpolicy`, value),
  ]),
])

/** The last option that names any says them all. */
const bootDevice: Act = ({ element, name, words }) => {
  if (words.find((word) => bootDevices.has(word.name))?.name === name)
    for (const boot of childElements(element, 'boot')) element.removeChild(boot)
  addElement(element, 'boot', { './@dev': name })
}
const bootDevices = new Set(['hd', 'cdrom', 'fd', 'network'])

const sysinfoWords =
  'bios.vendor bios.version bios.date bios.release system.manufacturer system.product system.version system.serial ' +
  'system.uuid system.sku system.family baseBoard.manufacturer baseBoard.product baseBoard.version baseBoard.serial ' +
  'baseBoard.asset baseBoard.location chassis.manufacturer chassis.version chassis.serial chassis.asset chassis.sku'

const sysinfo: Readonly<Record<string, Act>> = Object.fromEntries(
  sysinfoWords.split(' ').flatMap((word) => {
    const [group = '', entry = ''] = word.split('.')
    const act: Act = ({ domain, element, value }) => {
      setAt(element, `./${group}/entry[@name='${entry}']`, value)
      if (word === 'system.uuid') setAt(domain, './uuid', value)
    }
    return [[`sysinfo.${word}`, act] as const, [`sysinfo.${group}_${entry}`, act] as const]
  }),
)

const cpuModels: Readonly<Record<string, string>> = {
  host: 'host-model',
  'host-passthrough': 'host-passthrough',
  'host-model': 'host-model',
  default: 'host-model',
}

const cpu: Readonly<Record<string, Act>> = {
  'cpu.model': ({ element, value = '' }) => {
    const mode = cpuModels[value]
    if (mode !== undefined) {
      for (const child of [...childElements(element, 'model'), ...childElements(element, 'feature')])
        element.removeChild(child)
      return setAt(element, './@mode', mode)
    }
    if (['none', 'host-model-only', 'host-copy'].includes(value)) return
    setAt(element, './@mode', 'custom')
    setAt(element, './@match', 'exact')
    setAt(element, './model', value)
  },
  'cpu.secure': ({ option, name, value = '' }) => void readSwitch(option, name, value),
  ...Object.fromEntries(
    ['force', 'require', 'optional', 'disable', 'forbid'].map((policy) => [
      `cpu.${policy}`,
      ({ element, value = '' }: Special) => setFeature(element, policy, value),
    ]),
  ),
}

const memory: Readonly<Record<string, Act>> = {
  'memory.memory': ({ domain, value, words }) => {
    const most = wordOf(words, 'maxmemory')
    setAt(domain, './currentMemory', kib(value))
    setAt(domain, './memory', kib(most ?? value))
  },
  'memory.currentMemory': ({ domain, value, words }) => {
    setAt(domain, './currentMemory', kib(value))
    if (wordOf(words, 'memory') === undefined) setAt(domain, './memory', kib(value))
  },
  'memory.maxmemory': ({ domain, value }) => setAt(domain, './memory', kib(value)),
  'memory.maxMemory': ({ domain, value }) => setAt(domain, './maxMemory', kib(value)),
}

const vcpus: Readonly<Record<string, Act>> = {
  'vcpus.vcpus': ({ domain, value, words }) => {
    const most = wordOf(words, 'maxvcpus')
    setAt(domain, './vcpu', most ?? value)
    if (most !== undefined && most !== value) setAt(domain, './vcpu/@current', value)
  },
  'vcpus.vcpu': set('./vcpu'),
  // Where they run is asked of numad then.
  'vcpus.cpuset': ({ domain, value }) =>
    value === 'auto' ? setAt(domain, './vcpu/@placement', value) : setAt(domain, './vcpu/@cpuset', value),
  'vcpus.maxvcpus': ({ domain, value, words }) => {
    if (wordOf(words, 'vcpus') === undefined) setAt(domain, './vcpu', value)
  },
}

const network: Readonly<Record<string, Act>> = {
  'network.type': ({ element, value = '' }) => {
    const [, prefix, rest] = /^(network|bridge):(.*)$/.exec(value) ?? []
    setAt(element, './@type', prefix ?? (value === 'default' ? 'default' : value))
    if (prefix !== undefined) setAt(element, `./source/@${prefix}`, rest)
  },
  'network.network': ({ element, value }) => {
    setAt(element, './@type', 'network')
    setAt(element, './source/@network', value)
  },
  'network.bridge': ({ element, value }) => {
    setAt(element, './@type', 'bridge')
    setAt(element, './source/@bridge', value)
  },
  'network.source': ({ element, value, words }) => {
    const type = wordOf(words, 'type') ?? valueAt(element, './@type') ?? 'bridge'
    const attribute = { network: 'network', bridge: 'bridge', direct: 'dev' }[type] ?? 'dev'
    setAt(element, `./source/@${attribute}`, value)
  },
  'network.mac': macAddress,
  'network.mac.address': macAddress,
  'network.link.state': linkState,
  'network.link_state': linkState,
}

function macAddress({ element, value = '' }: Special): void {
  if (value === 'RANDOM') return
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value))
    throw new Refusal(`MAC address must be of the format AA:BB:CC:DD:EE:FF, was '${value}'`)
  setAt(element, './mac/@address', value)
}

function linkState({ element, value = '' }: Special): void {
  const word = /^(y|yes|on|1|true|t)$/i.test(value) ? 'up' : /^(n|no|off|0|false|f)$/i.test(value) ? 'down' : value
  setAt(element, './link/@state', word)
}

/** `name` is a PCI address, a USB one, or a node device of libvirt. */
const hostdev: Act = ({ element, value = '' }) => {
  const pci = /^(?:pci_)?(?:([0-9a-f]{4})[:_])?([0-9a-f]{2})[:_]([0-9a-f]{2})[._]([0-7])$/i.exec(value)
  const usb = /^(?:0x)?([0-9a-f]{4}):(?:0x)?([0-9a-f]{4})$/i.exec(value)
  const place = /^(\d{1,3})\.(\d{1,3})$/.exec(value)
  setAt(element, './@mode', 'subsystem')
  setAt(element, './@type', pci === null ? 'usb' : 'pci')
  setAt(element, './@managed', 'yes')
  if (pci !== null) {
    const [, domain = '0000', bus, slot, part] = pci
    setAt(element, './source/address/@domain', `0x${domain}`)
    for (const [name, digits] of [
      ['bus', bus],
      ['slot', slot],
      ['function', part],
    ] as const)
      setAt(element, `./source/address/@${name}`, `0x${digits}`)
  } else if (usb !== null) {
    setAt(element, './source/vendor/@id', `0x${usb[1]}`)
    setAt(element, './source/product/@id', `0x${usb[2]}`)
  } else if (place !== null) {
    setAt(element, './source/address/@bus', place[1])
    setAt(element, './source/address/@device', place[2])
  } else throw new Refusal(`Unknown hostdev address string format '${value}'`)
}

const graphicsPort =
  (name: string): Act =>
  ({ element, option, name: word, value = '' }) => {
    if (Number(value) < 5900 && Number(value) !== -1)
      throw new Refusal(
        `Error: --${option} ${word}=${value}: a port is 5900 or more, or -1 for one that is chosen at the start`,
      )
    setAt(element, `./@${name}`, value)
  }

export const specials: Readonly<Record<string, Act>> = {
  ...characters,
  ...timers,
  ...sysinfo,
  ...cpu,
  ...memory,
  ...vcpus,
  ...network,
  'sysinfo.type': ({ domain, element, value = '' }) =>
    value === 'host' || value === 'emulate'
      ? setAt(domain, './os/smbios/@mode', value)
      : setAt(element, './@type', value),
  'sysinfo.oemStrings.entry#': ({ element, value }) => {
    addElement(ensureAt(element, './oemStrings'), 'entry').textContent = value ?? ''
  },
  'boot.hd': bootDevice,
  'boot.cdrom': bootDevice,
  'boot.fd': bootDevice,
  'boot.network': bootDevice,
  'boot.menu': ({ element, value = '' }) =>
    setAt(element, './bootmenu/@enable', readSwitch('boot', 'menu', value) ? 'yes' : 'no'),
  'boot.uefi': ({ element }) => setAt(element, './@firmware', 'efi'),
  'boot.refresh-machine-type': ({ option, name, value = '' }) => void readSwitch(option, name, value),
  'boot.initargs': ({ element, value = '' }) => {
    for (const word of value.split(/\s+/)) addElement(element, 'initarg').textContent = word
  },
  ...Object.fromEntries(
    ['kernel', 'initrd', 'dtb', 'nvram'].map((name) => [
      `boot.${name}`,
      ({ element, value = '' }: Special) => setAt(element, `./${name}`, absolute(value)),
    ]),
  ),
  'boot.acpi.table': ({ element, value = '' }) => setAt(element, './acpi/table', absolute(value)),
  'metadata.os_name': nothing,
  'metadata.os_full_id': nothing,
  'graphics.type': set('./@type'),
  'graphics.port': graphicsPort('port'),
  'graphics.tlsPort': graphicsPort('tlsPort'),
  'graphics.tlsport': graphicsPort('tlsPort'),
  'graphics.listen': ({ element, value }) => {
    if (value === 'none' || value === 'socket') addElement(element, 'listen', { './@type': value })
    else if (value !== '') setAt(element, './@listen', value)
  },
  'graphics.keymap': ({ element, value }) => {
    if (value !== 'none' && value !== 'local') setAt(element, './@keymap', value)
  },
  'hostdev.name': hostdev,
  'filesystem.source': ({ element, value, words }) => {
    const attribute =
      { file: 'file', block: 'dev', ram: 'usage', template: 'name', bind: 'dir' }[wordOf(words, 'type') ?? ''] ?? 'dir'
    setAt(element, `./source/@${attribute}`, value)
  },
  'rng.type': rngType,
  'rng.device': ({ element, value }) => {
    setAt(element, './backend', value)
    if (valueAt(element, './backend/@model') === undefined) setAt(element, './backend/@model', 'random')
  },
  'tpm.type': ({ element, value = '' }) => {
    if (value.startsWith('/')) {
      setAt(element, './backend/@type', 'passthrough')
      setAt(element, './backend/device/@path', value)
    } else setAt(element, './backend/@type', value === 'default' ? 'emulator' : value)
  },
  'tpm.path': set('./backend/device/@path'),
  'panic.model': ({ element, value }) => setAt(element, './@model', value === 'default' ? 'isa' : value),
  ...Object.fromEntries(
    ['target.size', 'target_size', 'target.label_size', 'target_label_size', 'source.alignsize'].map((name) => [
      `memdev.${name}`,
      ({ element, value }: Special) =>
        setAt(
          element,
          name.includes('label')
            ? './target/label/size'
            : name.startsWith('source')
              ? './source/alignsize'
              : './target/size',
          kib(value),
        ),
    ]),
  ),
  'controller.address': ({ element, value = '' }) => {
    const found = /^(?:([\da-f]+):)?([\da-f]+):([\da-f]+)\.([\da-f]+)$/i.exec(value)
    if (found === null)
      throw new Refusal(`Error: --controller address=${value}: expected a PCI address, as 0000:00:1d.7`)
    const [, domain = '0', bus = '0', slot = '0', part = '0'] = found
    setAt(element, './address/@type', 'pci')
    for (const [name, text] of [
      ['domain', domain],
      ['bus', bus],
      ['slot', slot],
      ['function', part],
    ] as const)
      setAt(element, `./address/@${name}`, String(Number.parseInt(text, 16)))
  },
  'controller.num_pcie_root_ports': nothing,
  'qemu-commandline.args': ({ domain, value = '' }) => {
    for (const word of value.match(/"[^"]*"|'[^']*'|\S+/g) ?? [])
      addQemu(domain, 'arg').setAttribute('value', word.replace(/^(["'])(.*)\1$/, '$2'))
  },
  'qemu-commandline.env': ({ domain, value = '' }) => {
    const at = value.indexOf('=')
    if (at < 0) throw new Refusal(`Error: --qemu-commandline env=${value}: expected NAME=VALUE`)
    const variable = addQemu(domain, 'env')
    variable.setAttribute('name', value.slice(0, at))
    variable.setAttribute('value', value.slice(at + 1))
  },
  // What these say is used where the disk is made ready: see disks.ts.
  ...Object.fromEntries(
    ['path', 'size', 'sparse', 'format', 'pool', 'vol', 'backing_store', 'backing_format'].map((name) => [
      `disk.${name}`,
      nothing,
    ]),
  ),
}

const qemuUri = 'http://libvirt.org/schemas/domain/qemu/1.0'

/** Arguments for QEMU itself stand in a namespace of their own. */
function addQemu(domain: Element, name: string): Element {
  const document = documentOf(domain)
  const standing = childElements(domain, 'qemu:commandline')[0]
  const list = standing ?? document.createElementNS(qemuUri, 'qemu:commandline')
  if (standing === undefined) domain.appendChild(list)
  const element = document.createElementNS(qemuUri, `qemu:${name}`)
  list.appendChild(element)
  return element
}

function rngType({ element, value = '' }: Special): void {
  if (value.startsWith('/')) {
    setAt(element, './backend/@model', 'random')
    setAt(element, './backend', value)
  } else setAt(element, './backend/@model', value)
}
