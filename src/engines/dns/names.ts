/** The zones that one listener answers for, found by name. */
import type { Zone } from './zone.ts'

export class Names {
  readonly #zones = new Map<string, Zone>()
  /** Names that have a zone below them, with how many: they are there, though nothing is to be had at them. */
  readonly #parents = new Map<string, number>()

  get size(): number {
    return this.#zones.size
  }

  get zones(): Iterable<Zone> {
    return this.#zones.values()
  }

  get(name: string): Zone | undefined {
    return this.#zones.get(name)
  }

  add(zone: Zone): void {
    this.#zones.set(zone.id.name, zone)
    this.#countParents(zone, 1)
  }

  remove(zone: Zone): void {
    if (this.#zones.delete(zone.id.name)) this.#countParents(zone, -1)
  }

  /** The zone that the name is in: the closest above it. `name` is in lower case, without the dot at the end. */
  find(name: string): Zone | undefined {
    for (let rest: string | undefined = name; rest !== undefined; rest = parentOf(rest)) {
      const zone = this.#zones.get(rest)
      if (zone !== undefined) return zone
    }
    return undefined
  }

  isParent(name: string): boolean {
    return this.#parents.has(name)
  }

  #countParents(zone: Zone, change: number): void {
    for (let name = parentOf(zone.id.name); name !== undefined; name = parentOf(name)) {
      const count = (this.#parents.get(name) ?? 0) + change
      if (count === 0) this.#parents.delete(name)
      else this.#parents.set(name, count)
    }
  }
}

function parentOf(name: string): string | undefined {
  const dot = name.indexOf('.')
  return dot < 0 ? undefined : name.slice(dot + 1)
}
