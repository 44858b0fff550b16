/** The virtual routers of this machine, in a thread of their own. */
import { threadFile } from '../engines/thread-file.ts'
import { startThread } from '../engines/thread-link.ts'
import { Bug } from '../errors.ts'
import type { Answer, Call } from './calls.ts'
import type { TrackedState } from './machine/tracking.ts'
import type { VrrpSpec } from './spec.ts'
import type { RouterStatus, VrrpEvent } from './status.ts'

type Options = { readonly signal?: AbortSignal }

export interface Vrrp extends AsyncDisposable {
  /** Makes these the routers of this machine; those that stay keep their roles. Gives back what could not be done, in words. */
  apply(spec: VrrpSpec, options?: Options): Promise<readonly string[]>
  status(options?: Options): Promise<readonly RouterStatus[]>
  /** Leaves mastership to others, until it is asked back; of a router or group, or of all. Resolves to how many had it. */
  yield(name: string | undefined, options?: Options): Promise<number>
  /** Resolves to how many groups that means. */
  resume(name: string | undefined, options?: Options): Promise<number>
  /** How something stands that routers track and others look at: `trackName` of it. */
  track(name: string, state: TrackedState): Promise<void>
}

/** Masters resign when it is disposed of. @throws InfraError `unsupported` where the sockets cannot be had. */
export async function openVrrp(onEvent: (event: VrrpEvent) => void): Promise<Vrrp> {
  const file = await threadFile('vrrp', '../vrrp/worker.ts')
  const thread = await startThread<Call, Answer, VrrpEvent>({ file, name: 'vrrp', data: undefined, onNote: onEvent })
  return {
    async apply(spec, { signal } = {}) {
      return (await thread.call({ kind: 'apply', spec }, signal)) as readonly string[]
    },
    async status({ signal } = {}) {
      return (await thread.call({ kind: 'status' }, signal)) as readonly RouterStatus[]
    },
    yield: async (name, { signal } = {}) => numberOf(await thread.call({ kind: 'yield', name }, signal)),
    resume: async (name, { signal } = {}) => numberOf(await thread.call({ kind: 'resume', name }, signal)),
    async track(name, state) {
      await thread.call({ kind: 'track', name, state })
    },
    [Symbol.asyncDispose]: () => thread.close({ kind: 'close' }),
  }
}

function numberOf(answer: Answer): number {
  if (typeof answer !== 'number') throw new Bug('the thread of virtual routers answered something else')
  return answer
}
