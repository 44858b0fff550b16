/** Which engine stands behind a name. */
import { InfraError } from '../errors.ts'
import type { Engine, EngineName } from './engine.ts'
import { fakeEngine } from './fake/fake.ts'
import { userspaceEngine } from './userspace/userspace.ts'

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
