/** An image that a disc installs by itself: a guest boots the installer, is answered by files, and its disk is the image. */
import { basename } from 'node:path'
import { gzipSync } from 'node:zlib'
import { InfraError } from '../../errors.ts'
import { encodeDisc } from '../../wire/iso9660.ts'
import { joined } from '../../wire/joined.ts'
import { encodeArchive } from '../../wire/newc.ts'
import { qemuImg } from '../storage/qemu-img.ts'
import { type AnswerFile, type Answers, answersOf } from './answers.ts'
import { mustBeDisc } from './files.ts'
import type { InstallSpec } from './image.ts'
import { findKernel, type InstallTree, openTree } from './install-tree.ts'
import { type InstallerGuest, runInstaller } from './installer-guest.ts'
import type { Made, Recipe } from './recipe.ts'

/** Part of the digest: another recipe is another image. */
export const installRecipe = '1'

/** On the host that has the files. */
export async function buildInstalled(spec: InstallSpec, recipe: Recipe): Promise<Made> {
  const { host, directory, signal } = recipe
  const disk = `${directory}/disk.qcow2`
  const answers = answersOf(await readAnswers(spec, recipe), spec.append)
  const boot = await bootOf(spec, answers, recipe)
  const doing = { what: `make ${disk}`, path: disk, signal }
  await qemuImg(host, ['create', '-q', '-f', 'qcow2', disk, String(spec.sizeBytes)], doing)
  await runInstaller({ disc: spec.path, disk, memoryBytes: spec.memoryBytes, ...boot }, recipe)
  await mustBoot(spec, disk, recipe)
  return { disk: { path: disk, format: 'qcow2', sizeBytes: spec.sizeBytes } }
}

async function readAnswers({ answers }: InstallSpec, { host, signal }: Recipe): Promise<AnswerFile[]> {
  return Promise.all(
    answers.map(async (path) => {
      const content = await host.readFile(path, { signal })
      if (content === undefined) throw new InfraError('not-found', `there is no ${path}`, { subject: path })
      return { name: basename(path), content }
    }),
  )
}

type Boot = Pick<InstallerGuest, 'kernel' | 'seed'>

/** The installer's own kernel, which can be told where the answers are; without any to tell, what firmware finds on the disc. */
async function bootOf(spec: InstallSpec, answers: Answers | undefined, recipe: Recipe): Promise<Boot> {
  const { host, scratch, signal } = recipe
  const seed = answers?.place === 'seed' ? await writeSeed(answers, recipe) : {}
  const tree = openTree(spec.path, false)
  const isTold = answers !== undefined || spec.append !== undefined
  const pair = isTold ? await findKernel(tree, 'x86_64', { signal }) : undefined
  if (pair === undefined) {
    if (answers?.place === 'initrd' || spec.append !== undefined)
      throw new InfraError('invalid', `${spec.path}: no installer's kernel and initrd are known on this disc`, {
        subject: spec.path,
        hint: 'its kernel cannot be told of answers: give a disc that has them in itself, and no --unattended',
      })
    await mustBeDisc(spec.path, recipe)
    return seed
  }
  const [kernel, initrd] = [`${scratch}/kernel`, `${scratch}/initrd`]
  await host.writeFile(kernel, await mustRead(tree, pair.kernel, spec, recipe), { signal })
  const injected = answers?.place === 'initrd' ? [injection(answers.files)] : []
  await host.writeFile(initrd, joined([await mustRead(tree, pair.initrd, spec, recipe), ...injected]), { signal })
  const cmdline = `${answers?.cmdline ?? spec.append ?? ''} console=ttyS0`
  return { ...seed, kernel: { path: kernel, initrd, cmdline } }
}

async function writeSeed({ files }: Answers, { host, scratch, signal }: Recipe): Promise<Boot> {
  const seed = `${scratch}/seed.iso`
  await host.writeFile(seed, encodeDisc('cidata', files), { signal, mode: 0o600 })
  return { seed }
}

async function mustRead(tree: InstallTree, file: string, spec: InstallSpec, { signal }: Recipe): Promise<Uint8Array> {
  const content = await tree.read(file, { signal })
  if (content !== undefined) return content
  throw new InfraError('not-found', `${spec.path} has no ${file}`, { subject: spec.path })
}

/** The kernel unpacks archives that stand one after the other. */
function injection(files: readonly AnswerFile[]): Uint8Array {
  return gzipSync(encodeArchive(files.map(({ name, content }) => ({ kind: 'file', path: name, mode: 0o644, content }))))
}

/** The first sector of a disk that BIOS boots from: code, and its mark. */
async function mustBoot(spec: InstallSpec, disk: string, { host, scratch, signal }: Recipe): Promise<void> {
  const sector = `${scratch}/sector`
  const doing = { what: `read ${disk}`, path: disk, signal }
  await qemuImg(host, ['dd', '-f', 'qcow2', '-O', 'raw', 'bs=512', 'count=1', `if=${disk}`, `of=${sector}`], doing)
  const bytes = (await host.readFile(sector, { signal })) ?? new Uint8Array(0)
  if (bytes[0] !== 0 && bytes[510] === 0x55 && bytes[511] === 0xaa) return
  throw new InfraError('failed', `install from ${spec.path}: it ended, and nothing on its disk boots`, {
    subject: spec.path,
    hint: 'look at it: baton run --cdrom with the same disc, and baton console',
  })
}
