/** The built-in image `tiny`: Debian's cloud kernel and an initramfs of a few megabytes with busybox and a web server. */
import { InfraError, isInfraError } from '../../errors.ts'
import { dependenciesOf, ownKernelHint, resolveKernel, unpackPackages, withApt } from './debian-packages.ts'
import {
  fileEntry,
  listTree,
  moduleEntries,
  packKernelAndInitramfs,
  platformOf,
  programEntries,
  skeletonEntries,
  textEntry,
} from './initramfs.ts'
import type { Made, Recipe } from './recipe.ts'
import { init, leaseScript, webServerConfig } from './tiny-init.ts'

/** Part of the digest: another recipe is another image. */
export const tinyRecipe = '5'

/** What a guest on virtio hardware needs, or under Xen; the rest is built into the cloud kernel. */
const wantedModules = [
  ...'virtio_pci virtio_mmio virtio_net virtio_blk virtio_console virtio_rng virtio_balloon evdev button'.split(' '),
  ...'xen_netfront xen_blkfront isofs'.split(' '),
]

const folders = 'bin dev etc lib lib64 lib/modules proc root run sbin seed sys tmp www'.split(' ')

/** What init and a person at the console call by name; `busybox NAME` knows the others. */
const applets =
  'sh mount umount mkdir cat echo insmod lsmod ip ifconfig hostname udhcpc cut head tail dd kill sleep sync poweroff reboot halt setsid ls ps top free wget vi uname dmesg df ping nc grep less date uptime swapon'.split(
    ' ',
  )

export async function buildTiny(recipe: Recipe): Promise<Made> {
  const { host, scratch, signal, progress } = recipe
  const platform = await platformOf(recipe, 'tiny')
  const tree = `${scratch}/tree`
  progress('asking apt for the current cloud kernel')
  await withApt({ host, signal, directory: scratch }, progress, async (apt) => {
    const kernel = await resolveKernel(apt, `linux-image-cloud-${platform.debian}`)
    const libraries = (await dependenciesOf(apt, 'lighttpd')).filter((name) => name.startsWith('lib'))
    progress(`fetching ${kernel}, busybox-static and lighttpd`)
    await unpackPackages(apt, [kernel, 'busybox-static', 'lighttpd', ...libraries], tree)
  }).catch((error: unknown) => {
    throw isInfraError(error, 'missing-tool') ? notDebian(error) : error
  })
  progress('packing the initramfs')
  const unpacked = await listTree(recipe, tree)
  const lighttpd = { from: unpacked(/\/sbin\/lighttpd$/), to: 'bin/lighttpd' }
  const entries = [
    ...skeletonEntries(folders, applets),
    // What the kernel calls when Xen asks it to power off or to reboot.
    ...['poweroff', 'reboot'].map((name) => ({
      kind: 'symlink' as const,
      path: `sbin/${name}`,
      target: '../bin/busybox',
    })),
    textEntry('init', 0o755, init),
    textEntry('lease', 0o755, leaseScript),
    textEntry('etc/lighttpd.conf', 0o644, webServerConfig),
    textEntry('etc/passwd', 0o644, 'root:x:0:0:root:/root:/bin/sh\n'),
    textEntry('etc/group', 0o644, 'root:x:0:\n'),
    await fileEntry(recipe, unpacked(/\/s?bin\/busybox$/), 'bin/busybox', 0o755),
    ...(await programEntries(recipe, platform, tree, [lighttpd])),
    ...(await moduleEntries(recipe, tree, wantedModules)),
  ]
  return {
    ...(await packKernelAndInitramfs(recipe, unpacked(/\/boot\/vmlinuz-[^/]*$/), entries)),
    cmdline: `console=${platform.console} quiet panic=-1 net.ifnames=0`,
  }
}

function notDebian(error: InfraError): InfraError {
  return new InfraError('missing-tool', `image tiny is built from Debian packages: ${error.message}`, {
    subject: error.subject,
    cause: error,
    hint: `on Debian install ${error.subject}; on another distribution ${ownKernelHint}`,
  })
}
