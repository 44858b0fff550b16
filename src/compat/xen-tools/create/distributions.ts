/** Which distributions Baton bootstraps, and what each needs beside Debian's ways. Pure. */
import type { ImageSpec } from '../../../guests/images/image.ts'

type DebootstrapSpec = Extract<ImageSpec, { kind: 'debootstrap' }>

const debian = 'bullseye bookworm trixie forky sid oldstable stable testing unstable'.split(' ')
const ubuntu = 'focal jammy noble questing resolute'.split(' ')

export type Distribution = 'debian' | 'ubuntu'

export function distributionOf(suite: string): Distribution | undefined {
  if (debian.includes(suite)) return 'debian'
  return ubuntu.includes(suite) ? 'ubuntu' : undefined
}

export const knownSuites: readonly string[] = [...debian, ...ubuntu]

export type Source = { readonly mirror?: string; readonly keyring?: string; readonly architecture?: string }

/**
 * The base of all guests of a suite. Debian's cloud kernel has the drivers of Xen's guests and little else: its ramdisk
 * unpacks in 256 MiB of memory, where that of linux-image-amd64 needs 384.
 */
export function baseSpec(suite: string, source: Source): DebootstrapSpec {
  const common = { kind: 'debootstrap', suite, variant: 'important', files: {}, ...source } as const
  if (distributionOf(suite) !== 'ubuntu') return { ...common, packages: ['openssh-server'] }
  return {
    ...common,
    packages: ['openssh-server', 'netplan.io'],
    kernel: 'linux-image-virtual',
    components: ['main', 'universe'],
    mirror: source.mirror ?? 'http://archive.ubuntu.com/ubuntu',
    keyring: source.keyring ?? '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
  }
}
