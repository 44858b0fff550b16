/** Which engine stands behind a name. */
import { InfraError } from '../errors.ts'
import type { Engine, EngineCapabilities, EngineName } from './engine.ts'
import { fakeCapabilities, fakeEngine } from './fake/fake.ts'
import { userspaceCapabilities, userspaceEngine } from './userspace/userspace.ts'

/**
 * Opens an engine; `auto` takes the best that works here, which today is `userspace`.
 * @throws InfraError `unsupported` for an engine that this build does not have.
 */
export async function openEngine(name: EngineName | 'auto'): Promise<Engine> {
  if (name === 'auto' || name === 'userspace') return await userspaceEngine()
  if (name === 'fake') return fakeEngine()
  throw new InfraError('unsupported', `this build has no ${name} engine`, {
    subject: name,
    hint: 'say engine: userspace, or engine: auto',
  })
}

/** What the engine of that name can do, without opening it; undefined when this build does not have it. */
export function capabilitiesOf(
  name: EngineName | 'auto',
): { readonly name: EngineName; readonly capabilities: EngineCapabilities } | undefined {
  if (name === 'auto' || name === 'userspace') return { name: 'userspace', capabilities: userspaceCapabilities }
  if (name === 'fake') return { name, capabilities: fakeCapabilities }
  return undefined
}
