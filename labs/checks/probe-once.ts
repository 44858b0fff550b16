/** Runs probes and prints their results, for tests inside of a network namespace: PROBES as JSON, [{ spec, address, port }]. */
import type { ProbeSpec } from '../../src/health/check.ts'
import { openDescriptors, probe } from '../../test/build/servers.ts'

type Asked = { readonly spec: ProbeSpec; readonly address: string; readonly port: number }

const asked = JSON.parse(process.argv[2] ?? '[]') as readonly Asked[]

async function main(): Promise<void> {
  // Once before for what is loaded and opened for good.
  await Promise.all(asked.map(({ spec, address, port }) => probe(spec, port, address, 500)))
  const before = openDescriptors()
  const results = await Promise.all(asked.map(({ spec, address, port }) => probe(spec, port, address, 500)))
  console.log(JSON.stringify({ results, left: openDescriptors() - before }))
}

void main()
