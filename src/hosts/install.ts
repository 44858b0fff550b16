/** How a missing tool comes to a host: by the distribution's own command, under the name that it gives the package. */
import type { CallOptions, Host } from './host.ts'
import { familyOf } from './survey/survey.ts'

/** `redhat` in words where the family has no such package. */
type Packages = { readonly debian: string; readonly redhat: string | { readonly instead: string } }

const debianOnly = 'no package has it here: build the image on Debian or Ubuntu, and name its disk'

const packagesOf = {
  gzip: { debian: 'gzip', redhat: 'gzip' },
  lvm: { debian: 'lvm2', redhat: 'lvm2' },
  libvirt: { debian: 'libvirt-daemon-system libvirt-clients', redhat: 'libvirt' },
  mmdebstrap: { debian: 'mmdebstrap e2fsprogs', redhat: { instead: debianOnly } },
  'mmdebstrap-as-user': { debian: 'mmdebstrap e2fsprogs uidmap', redhat: { instead: debianOnly } },
  ovmf: { debian: 'ovmf', redhat: 'edk2-ovmf' },
  qemu: {
    debian: 'qemu-system-x86 qemu-utils',
    redhat: { instead: "this family's QEMU is libvirt's alone: hypervisor: libvirt, and baton host prepare --as kvm" },
  },
  'qemu-img': { debian: 'qemu-utils', redhat: 'qemu-img' },
  xz: { debian: 'xz-utils', redhat: 'xz' },
  zstd: { debian: 'zstd', redhat: 'zstd' },
} as const satisfies Readonly<Record<string, Packages>>

export type Tool = keyof typeof packagesOf

/** A hint for an error, so it never fails itself: what a host is that cannot be asked any more is not known. */
export async function howToInstall(host: Host, tool: Tool, options: CallOptions): Promise<string> {
  const facts = await host.facts(options).catch(() => undefined)
  return installHint(facts?.distribution.id ?? '', tool)
}

/** `id`: as os-release(5) has it. Pure. */
export function installHint(id: string, tool: Tool): string {
  const { debian, redhat }: Packages = packagesOf[tool]
  switch (familyOf({ distribution: { id, like: [] } })) {
    case 'debian':
      return `apt-get install ${debian}`
    case 'redhat':
      // dnf answers to this name, too.
      return typeof redhat === 'string' ? `yum install ${redhat}` : redhat.instead
    default:
      return `install ${debian}, as Debian calls it`
  }
}
