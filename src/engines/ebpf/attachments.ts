/** What keeps a program at an interface, each with a file in its director's place. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { closeFd, detachFilter, detachLink, type Hook, linkInterface, pinnedFd } from '../../os/bpf.ts'

/** `link`: of tcx, or of XDP (`ahead`). `filter`: of clsact, which is no file by itself: its program is pinned to say that it is there. */
export type Attachment = {
  readonly kind: 'link' | 'filter'
  readonly file: string
  readonly interface: number
  readonly hook: Hook | 'ahead'
}

export const attachmentFolders = { link: 'links', filter: 'filters' } as const

export function attachmentFile(
  place: string,
  kind: Attachment['kind'],
  index: number,
  hook: Attachment['hook'],
): string {
  return join(place, attachmentFolders[kind], `${index}-${hook}`)
}

export function attachmentsOf(place: string): Attachment[] {
  return (['link', 'filter'] as const).flatMap((kind) =>
    filesIn(join(place, attachmentFolders[kind])).flatMap((name): Attachment[] => {
      const [, index, hook] = /^(\d+)-(in|out|ahead)$/u.exec(name) ?? []
      if (hook === undefined) return []
      return [
        {
          kind,
          file: join(place, attachmentFolders[kind], name),
          interface: Number(index),
          hook: hook as Attachment['hook'],
        },
      ]
    }),
  )
}

/** Takes the program from the interface, and its file away. */
export function drop({ kind, file, interface: index, hook }: Attachment): void {
  if (kind === 'filter' && hook !== 'ahead') detachFilter(index, hook)
  const link = kind === 'link' ? pinnedFd(file) : undefined
  if (link !== undefined) {
    detachLink(link)
    closeFd(link)
  }
  rmSync(file, { force: true })
}

/** Whether its interface is no more. Of a filter nobody knows: its interface's number may be another's now. */
export function isGone({ kind, file }: Attachment): boolean {
  const link = kind === 'link' ? pinnedFd(file) : undefined
  if (link === undefined) return kind === 'link'
  try {
    return linkInterface(link) === 0
  } finally {
    closeFd(link)
  }
}

export function filesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder, { withFileTypes: true }).map(({ name }) => name) : []
}
