/**
 * Where a director pins what is to outlive it: `baton/NAMESPACE/DIRECTOR` of the BPF file system, with `links` and
 * `filters` by interface, and its maps by the version of their layout.
 */
import { rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { removeIfEmpty, takeLockFile } from '../../os/lock-file.ts'
import { networkNamespaceId } from '../../os/network-namespace.ts'
import { attachmentFolders, attachmentsOf, filesIn, isGone } from './attachments.ts'
import { layoutVersion } from './layout.ts'

/** `director`: its runtime directory, which no two of them share. */
export function placeOf(root: string, director: string): string {
  return join(namespaceFolder(root), escaped(director))
}

function namespaceFolder(root: string): string {
  return join(root, 'baton', networkNamespaceId())
}

/** As systemd-escape(1) has it, but for the mark: this file system has no dots, and a backslash is a nuisance. */
function escaped(path: string): string {
  return path
    .replace(/^\/+|\/+$/gu, '')
    .replace(/[^A-Za-z0-9/]/gu, (sign) => `_${Buffer.from(sign).toString('hex')}`)
    .replaceAll('/', '-')
}

/** Places of other directors, living or dead, in this namespace: also as older versions had them, in the folder itself. */
export function otherPlaces(root: string, place: string): string[] {
  const folder = namespaceFolder(root)
  const own = isPlace(folder) ? [folder] : []
  return [...own, ...filesIn(folder).map((name) => join(folder, name))].filter(
    (other) => other !== place && isPlace(other),
  )
}

function isPlace(path: string): boolean {
  return filesIn(path).some(isPart)
}

function isPart(name: string): boolean {
  return name === attachmentFolders.link || name === attachmentFolders.filter || isMaps(name)
}

function isMaps(name: string): boolean {
  return /^v\d+$/u.test(name)
}

/** What directors of other versions have pinned there: their maps cannot be gone on with. Whether there was any. */
export function removeOtherVersions(place: string): boolean {
  const others = filesIn(place).filter((name) => isMaps(name) && name !== `v${layoutVersion}`)
  for (const name of others) rmSync(join(place, name), { recursive: true, force: true })
  return others.length > 0
}

/** With the folders above it that are empty then. What nothing else holds is gone from the kernel. */
export function removePlace(root: string, place: string): void {
  // As older versions had it, it may hold others' places.
  for (const name of filesIn(place)) if (isPart(name)) rmSync(join(place, name), { recursive: true, force: true })
  for (const folder of [place, dirname(place), join(root, 'baton')]) removeIfEmpty(folder)
}

/** Of this director and, as older versions had it, of any: those that are there. */
export function placesOf(root: string, director: string): string[] {
  return [placeOf(root, director), namespaceFolder(root)].filter(isPlace)
}

/** Held by the director whose place it is, for as long as it lives. */
export function placeLock(lockDirectory: string, place: string): string {
  return join(lockDirectory, `director-${networkNamespaceId()}-${basename(place)}.lock`)
}

/** Those of directors that have ended, and have nothing at any interface any more. Whether there were any. */
export function removeDeserted(root: string, place: string, lockDirectory: string): boolean {
  const deserted = otherPlaces(root, place).filter((other) => attachmentsOf(other).every(isGone))
  for (const other of deserted) {
    const lock = takeLockFile(placeLock(lockDirectory, other))
    if ('holder' in lock) continue
    removePlace(root, other)
    lock[Symbol.dispose]()
  }
  return deserted.length > 0
}

/** Takes away what stood in network namespaces that are gone: places whose interfaces all are. */
export function removeGoneNamespaces(root: string): void {
  const folder = join(root, 'baton')
  for (const name of filesIn(folder)) {
    if (name === networkNamespaceId()) continue
    const namespace = join(folder, name)
    const places = [namespace, ...filesIn(namespace).map((own) => join(namespace, own))].filter(isPlace)
    const links = places.flatMap(attachmentsOf)
    if (links.length > 0 && links.every(isGone)) for (const place of places.reverse()) removePlace(root, place)
  }
}
