/** What is seen of a table and of what was told, so that two of them can be compared. */

/** A table as `ipvsadm -Ln` prints it, without its head, and what was told by then; in no order, as checks end in none. */
export type Seen = { readonly table: readonly string[]; readonly told: readonly string[] }

export const seenFile = 'table-seen.json'

/** Counters are nobody's here; the servers of a service stand in no order, and keep the name of theirs. */
export function parted(lines: readonly string[], told: readonly string[]): Seen {
  let service = ''
  // keepalived's own log may stand between.
  const table = lines
    .filter((line) => /^(TCP|UDP|FWM) | {2}-> /.test(line))
    .map((line) => {
      const words = line.trim().split(/\s+/)
      if (words[0] === '->') return `${service} ${words.slice(0, 4).join(' ')}`
      service = words.slice(0, 2).join(' ')
      return words.join(' ')
    })
  return { table: table.toSorted(), told: told.filter((line) => /^(RS|VS) |^</.test(line)).toSorted() }
}
