/** The engine that a spec is served by on this machine: the one it names, or for `auto` the one that can carry it best. */
import { chooseEngine } from '../engines/choice.ts'
import type { EngineName } from '../engines/engine.ts'
import { capabilitiesOf } from '../engines/open.ts'
import { candidates } from '../engines/presence.ts'
import type { ChosenEngine } from './spec/engine-check.ts'
import { engineNeeds } from './spec/engine-needs.ts'
import type { ClusterSpec } from './spec/model.ts'

/** `wanted`: in place of what the spec says; `standing`: what a director runs here. */
export function engineFor(
  spec: ClusterSpec,
  {
    wanted = spec.directors.engine,
    standing,
  }: { readonly wanted?: EngineName | 'auto'; readonly standing?: EngineName } = {},
): ChosenEngine {
  if (wanted !== 'auto') return capabilitiesOf(wanted)
  return chooseEngine(engineNeeds(spec), candidates(standing), standing)
}
