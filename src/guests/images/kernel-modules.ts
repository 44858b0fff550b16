/** Which kernel modules to load, and in which order, read from the modules themselves. Pure. */

/** What a module says it needs: the `depends=` field of its .modinfo section (modinfo(8)). */
export function moduleDependencies(module: Uint8Array): string[] {
  const text = Buffer.from(module.buffer, module.byteOffset, module.byteLength).toString('latin1')
  const field = /\0depends=([^\0]*)\0/.exec(text)?.[1] ?? ''
  return field
    .split(',')
    .filter((name) => name !== '')
    .map(moduleName)
}

/** Module names treat `-` and `_` as one, as modprobe(8) does. */
export function moduleName(fileName: string): string {
  return fileName.replace(/\.ko(\.(xz|zst|gz))?$/, '').replaceAll('-', '_')
}

/** The wanted modules with all they need, each after what it needs. A name without dependencies known is a leaf. */
export function loadOrder(wanted: readonly string[], dependencies: ReadonlyMap<string, readonly string[]>): string[] {
  const order: string[] = []
  const visiting = new Set<string>()
  const visit = (name: string): void => {
    if (order.includes(name) || visiting.has(name)) return
    visiting.add(name)
    for (const needed of dependencies.get(name) ?? []) visit(needed)
    order.push(name)
  }
  for (const name of wanted) visit(moduleName(name))
  return order
}
