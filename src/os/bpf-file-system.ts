/** The BPF file system, where pinned programs and maps outlive the process that made them. */
import { mkdirSync, statfsSync } from 'node:fs'
import { InfraError } from '../errors.ts'
import { errnoName, libc } from './libc.ts'

const BPF_FS_MAGIC = 0xcafe4a11

/** Mounts it there when it is not, as systemd does on most machines. @throws InfraError */
export function ensureBpfFileSystem(path: string): void {
  mkdirSync(path, { recursive: true })
  // Signed, or not, as Node pleases.
  if (statfsSync(path).type >>> 0 === BPF_FS_MAGIC) return
  const mount = libc().func('int mount(const char *, const char *, const char *, unsigned long, const char *)')
  if (Number(mount('bpf', path, 'bpf', 0, 'mode=0700')) === 0) return
  throw new InfraError('permission', `mount the BPF file system at ${path}: ${errnoName()}`, {
    subject: path,
    hint: `run once as root: mount -t bpf bpf ${path}`,
  })
}
