/**
 * A large table: 10,000 services of ten servers, loaded, listed, edited and reloaded, through the built program as one
 * would use it; against ipvsadm on the kernel's IPVS in the guest of labs/ipvs.
 * `--services 10000 --servers 10 --rounds 3 --engines fake,userspace,ebpf --no-kernel`; the last as root, and best in a network
 * namespace of its own (`unshare --net`), as it takes the packets of the interfaces that it finds.
 */
import { parseArgs } from 'node:util'
import { measureDirector } from './director.ts'
import { measureKernel } from './kernel.ts'
import type { Figures, Size } from './table.ts'

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '10000' },
    servers: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    engines: { type: 'string', default: 'fake,userspace' },
    'no-kernel': { type: 'boolean', default: false },
  },
})

const what: { readonly [Key in keyof Figures]: string } = {
  loadMs: 'ipvsadm -R of all of it, ms',
  listMs: 'ipvsadm -Ln of all of it, ms',
  editMs: 'ipvsadm -e of one server, ms',
  baselineMs: 'the same on an empty table, ms',
  startMs: 'director --config, until it serves, ms',
  reloadMs: 'reload with one change, ms',
  bytes: 'memory, MiB',
  heldMs: 'event loop held up at most, ms',
}

async function main(): Promise<void> {
  const size: Size = { services: Number(values.services), servers: Number(values.servers) }
  const rounds = Number(values.rounds)
  const columns = new Map<string, Figures>()
  for (const engine of values.engines.split(',')) columns.set(engine, await measureDirector(engine, size, rounds))
  const kernel = values['no-kernel'] ? undefined : await measureKernel(size, rounds).catch(unavailable)
  console.log(
    `scale: ${size.services} services of ${size.servers} servers, ${rounds} rounds, medians` +
      (kernel === undefined ? '' : '; the kernel in virtual time of two nanoseconds per instruction, without KVM'),
  )
  const names = [...columns.keys()]
  const head = [...names, ...(kernel === undefined ? [] : ['kernel', ...names.map((name) => `${name}/kernel`)])]
  console.log(`  ${''.padEnd(42)}${head.map((name) => name.padStart(18)).join('')}`)
  for (const [key, label] of Object.entries(what) as [keyof Figures, string][]) {
    const scale = key === 'bytes' ? 2 ** 20 : 1
    const own = names.map((name) => columns.get(name)?.[key])
    const peer = kernel?.[key]
    const ratios = own.map((value) =>
      value === undefined || peer === undefined ? '' : `${(value / peer).toFixed(2)} ×`,
    )
    const cells = [...own, ...(kernel === undefined ? [] : [peer])].map((value) =>
      value === undefined ? '-' : (value / scale).toFixed(value / scale < 10 ? 1 : 0),
    )
    console.log(
      `  ${label.padEnd(42)}${[...cells, ...(kernel === undefined ? [] : ratios)].map((cell) => cell.padStart(18)).join('')}`,
    )
  }
}

function unavailable(error: unknown): undefined {
  console.log(
    `scale: without the kernel as a peer: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`,
  )
  return undefined
}

await main()
