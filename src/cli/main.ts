/** Where `baton` begins; and, by the names of other programs, their fronts, which read their words by themselves. */
import { basename } from 'node:path'
import { frontOf, isXenTool } from './fronts.ts'

const front = frontOf(basename(process.argv[1] ?? ''), process.argv.slice(2))
if (front === undefined) {
  const { runProgram } = await import('./program.ts')
  await runProgram(process.argv.slice(2))
} else if (front.name === 'ldirectord') {
  const { runLdirectordFront } = await import('../compat/ldirectord/program/main.ts')
  await runLdirectordFront(front.words)
} else if (front.name === 'keepalived') {
  const { runKeepalivedFront } = await import('../compat/keepalived/main.ts')
  await runKeepalivedFront(front.words)
} else if (front.name === 'genhash') {
  const { runGenhashFront } = await import('../compat/genhash/main.ts')
  await runGenhashFront(front.words)
} else if (front.name === 'virt-install') {
  const { runVirtInstallFront } = await import('../compat/virt-install/main.ts')
  await runVirtInstallFront(front.words)
} else if (isXenTool(front.name)) {
  const { runXenToolsFront } = await import('../compat/xen-tools/main.ts')
  await runXenToolsFront(front.name, front.words)
} else {
  const { runFront } = await import('../compat/ipvsadm/main.ts')
  await runFront(front.name, front.words)
}
