/** The real servers of a world, which live in its network: what each of them answers is said from here. */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Behaviour, Order } from './servers.ts'
import type { World } from './world.ts'

export type RealServers = {
  /** `10.9.0.1:80` answers so from now on; undefined: nobody listens there. */
  set(place: string, behaviour: Behaviour | undefined): Promise<void>
}

export async function startRealServers(start: World['start']): Promise<RealServers> {
  const repository = join(import.meta.dirname, '../..')
  const child: ChildProcess = start([process.execPath, '--import', 'tsx', join(import.meta.dirname, 'servers.ts')], {
    cwd: repository,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const waiting = new Map<number, { resolve(): void; reject(error: Error): void }>()
  let last = 0
  child.on('message', ({ number, failure }: { number: number; failure?: string }) => {
    const caller = waiting.get(number)
    waiting.delete(number)
    if (failure === undefined) caller?.resolve()
    else caller?.reject(new Error(failure))
  })
  await new Promise<void>((resolve, reject) => {
    waiting.set(0, { resolve, reject })
    child.once('exit', (code) => reject(new Error(`the real servers have ended with ${code}`)))
  })
  return {
    set(place, behaviour) {
      const number = ++last
      return new Promise((resolve, reject) => {
        waiting.set(number, { resolve, reject })
        const order: Order = { number, place, ...(behaviour === undefined ? {} : { behaviour }) }
        child.send(order)
      })
    },
  }
}
