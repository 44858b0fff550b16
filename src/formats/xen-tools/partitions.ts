/** The file of `xen-create-image --partitions`: sections in brackets, each one volume, with `key = value` lines. Pure. */

export type PartitionSection = {
  readonly name: string
  readonly line: number
  readonly settings: ReadonlyMap<string, string>
}

/** The sections in their order, or the first line that is none of it. */
export function parsePartitions(text: string): readonly PartitionSection[] | { readonly badLine: number } {
  const sections: { name: string; line: number; settings: Map<string, string> }[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/^\s*[#;].*$/, '').trim()
    if (line === '') continue
    const [, name] = /^\[\s*([^\]]*?)\s*\]$/.exec(line) ?? []
    const [, key, value] = /^([^=]+?)\s*=\s*(.*)$/.exec(line) ?? []
    if (name !== undefined) sections.push({ name, line: index + 1, settings: new Map() })
    else if (key !== undefined && value !== undefined && sections.length > 0) sections.at(-1)?.settings.set(key, value)
    else return { badLine: index + 1 }
  }
  return sections
}
