/** What a libvirt daemon says that it can run: the guests of its capabilities. */
import { childElements, elementsAt, parseXml, valueAt } from '../../formats/domain-xml/document.ts'
import { Refusal } from './refusal.ts'

export type Capabilities = {
  /** The first security model: what labels are of that name none. */
  readonly securityModel: string | undefined
  readonly guests: readonly {
    readonly arch: string
    /** By all their names. */
    readonly machines: ReadonlySet<string>
    readonly domainTypes: ReadonlySet<string>
  }[]
}

export function parseCapabilities(xml: string): Capabilities {
  const root = parseXml(xml)
  const guests = elementsAt(root, './guest')
    .filter((guest) => valueAt(guest, './os_type') === 'hvm')
    .flatMap((guest) => elementsAt(guest, './arch'))
    .map((arch) => ({
      arch: arch.getAttribute('name') ?? '',
      machines: new Set(elementsAt(arch, './machine').map((machine) => machine.textContent ?? '')),
      domainTypes: new Set(childElements(arch, 'domain').map((domain) => domain.getAttribute('type') ?? '')),
    }))
  return { securityModel: valueAt(root, './host/secmodel/model'), guests }
}

export type Wanted = {
  readonly osType: string
  readonly arch: string
  readonly machine: string | undefined
  /** Where it was said. */
  readonly domainType: string | undefined
}

/** @throws Refusal for what the host's libvirt does not run */
export function checkSupported({ guests }: Capabilities, { osType, arch, machine, domainType }: Wanted): void {
  const refuse = (what: string): never => {
    throw new Refusal(`Host does not support ${what}`)
  }
  if (osType !== 'hvm') refuse(`virtualization type '${osType}'`)
  const found = guests.find((guest) => guest.arch === arch)
  if (found === undefined) return refuse(`any virtualization options for architecture '${arch}'`)
  const kind = `virtualization type 'hvm' with architecture '${arch}'`
  if (domainType !== undefined && !found.domainTypes.has(domainType)) refuse(`domain type ${domainType} for ${kind}`)
  if (machine !== undefined && !found.machines.has(machine)) refuse(`machine '${machine}' for ${kind}`)
}
