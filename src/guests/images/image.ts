/** Images: what guests are made from. A spec says which; building it gives files that guests share. */

export type ImageSpec =
  /** Debian's cloud kernel and a small initramfs that serves HTTP with its own name. */
  | { readonly kind: 'tiny' }
  | { readonly kind: 'kernel'; readonly kernel: string; readonly initrd?: string; readonly cmdline: string }
  /** A local qcow2 or raw file. */
  | { readonly kind: 'disk'; readonly path: string }
  /** A local disc (ISO) to boot from and install. */
  | { readonly kind: 'iso'; readonly path: string }
  /** What a disc installs by itself, once, in a guest that is not kept. */
  | InstallSpec
  /** A qcow2 or raw file over HTTP. `checksum`: `sha256:HEX`, `sha512:HEX`, or the URL of a list that has it. */
  | { readonly kind: 'url'; readonly url: string; readonly checksum: string }
  /** What `baton image` has given a name on this machine. */
  | { readonly kind: 'stored'; readonly name: string }
  | {
      readonly kind: 'debootstrap'
      readonly suite: string
      readonly packages: readonly string[]
      /** Path in the image -> local file. */
      readonly files: Readonly<Record<string, string>>
      readonly mirror?: string
      /** What a suite has beside these: another kernel than the cloud kernel, packages of mmdebstrap's variant, Ubuntu's ways. */
      readonly kernel?: string
      readonly variant?: 'important'
      readonly components?: readonly string[]
      readonly keyring?: string
      readonly architecture?: string
    }

export type InstallSpec = {
  readonly kind: 'install'
  /** The disc. */
  readonly path: string
  /** What answers the installer: a preseed or kickstart file, or user data of cloud-init, and what is beside it. */
  readonly answers: readonly string[]
  /** More words for the installer's kernel. */
  readonly append?: string
  /** The disk that it is installed on. */
  readonly sizeBytes: number
  /** Of the guest that installs: it changes nothing of the image. */
  readonly memoryBytes: number
}

/** A built image in the cache of a host. `digest` names the content: same digest, same bytes. */
export type BuiltImage = {
  readonly digest: string
  readonly kernel?: string
  readonly initrd?: string
  readonly cmdline?: string
  /** A disc that boots; its guests' disks are empty. */
  readonly disc?: string
  readonly disk?: { readonly path: string; readonly format: 'qcow2' | 'raw'; readonly sizeBytes: number }
}
