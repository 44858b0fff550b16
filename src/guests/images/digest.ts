/** The digest of an image: the same inputs give the same digest, without building anything. */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { Host } from '../../hosts/host.ts'
import { debootstrapRecipe } from './debootstrap.ts'
import { fileDigests } from './file-digests.ts'
import { diskRecipe } from './files.ts'
import { installRecipe } from './install.ts'
import type { SettledSpec } from './settled.ts'
import { tinyRecipe } from './tiny.ts'

/** 32 hexadecimal digits. `here` has the files that the spec names, where that is another machine than the host. */
export async function imageDigest(
  host: Host,
  spec: SettledSpec,
  signal: AbortSignal,
  here: Host = host,
): Promise<string> {
  // The same bytes are the same image, wherever they came from.
  const kind = spec.kind === 'url' && spec.checksum.algorithm === 'sha256' ? 'disk' : spec.kind
  const inputs = [kind, ...(await inputsOf(host, here, spec, signal))]
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 32)
}

async function inputsOf(host: Host, here: Host, spec: SettledSpec, signal: AbortSignal): Promise<readonly unknown[]> {
  switch (spec.kind) {
    case 'tiny':
      return [tinyRecipe, (await host.facts({ signal })).architecture]
    case 'kernel': {
      const paths = [spec.kernel, ...(spec.initrd === undefined ? [] : [spec.initrd])]
      const files = await fileDigests(here, paths, signal)
      return [spec.cmdline, ...files.map(({ sha256 }) => sha256)]
    }
    case 'iso':
    case 'disk': {
      const files = await fileDigests(here, [spec.path], signal)
      return [diskRecipe, ...files.map(({ sha256 }) => sha256)]
    }
    case 'url': {
      const { algorithm, hex } = spec.checksum
      return algorithm === 'sha256' ? [diskRecipe, hex] : [diskRecipe, algorithm, hex]
    }
    case 'install': {
      const [disc, ...answers] = await fileDigests(here, [spec.path, ...spec.answers], signal)
      const named = answers.map(({ sha256 }, index) => [basename(spec.answers[index] ?? ''), sha256])
      return [installRecipe, disc?.sha256, named, spec.append ?? '', spec.sizeBytes]
    }
    case 'debootstrap': {
      const targets = Object.keys(spec.files).sort()
      const sources = targets.map((target) => spec.files[target] ?? '')
      const files = await fileDigests(here, sources, signal)
      const { architecture } = await host.facts({ signal })
      const { kernel, variant, components, keyring } = spec
      const special = { kernel, variant, components, keyring, architecture: spec.architecture }
      return [
        debootstrapRecipe,
        architecture,
        spec.suite,
        spec.mirror ?? '',
        [...new Set(spec.packages)].sort(),
        files.map(({ sha256, mode }, index) => [targets[index], mode, sha256]),
        // An image without any keeps the digest that it had before there were these.
        ...(Object.values(special).some((value) => value !== undefined) ? [special] : []),
      ]
    }
  }
}
