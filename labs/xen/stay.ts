/** A machine of the lab that stays between runs: where it is reached, in a file. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { agentHost } from './agent-host.ts'
import type { CreatedGuest } from './created.ts'
import type { Dom0 } from './dom0.ts'

type Standing = {
  readonly agentPort: number
  readonly ports: readonly (readonly [string, number])[]
  readonly created: CreatedGuest
}

const file = join(tmpdir(), 'baton-xen-stays.json')

export async function tellMachine({ agentPort, ports }: Dom0, created: Standing['created']): Promise<void> {
  const standing: Standing = { agentPort, ports: [...ports], created }
  await writeFile(file, JSON.stringify(standing))
  process.stdout.write('it stays; in another terminal: npm run lab:xen -- there STEP…; Ctrl-C ends it\n')
}

export const forgetMachine = (): Promise<void> => rm(file, { force: true })

/** @throws Error where none stays. */
export async function standingMachine(): Promise<{
  readonly dom0: Pick<Dom0, 'host' | 'ports'>
  readonly created: Standing['created']
}> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new Error('no machine of the lab stays: npm run lab:xen -- stay')
  })
  const { agentPort, ports, created } = JSON.parse(text) as Standing
  return { dom0: { host: agentHost(agentPort), ports: new Map(ports) }, created }
}
