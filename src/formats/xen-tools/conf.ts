/** xen-tools.conf: `key = value`, comments, lines that a backslash continues (xen-tools.conf(5), 4.9.2). Pure. */

/** A later setting of a key counts. Commands in backticks are left as they are: nothing is run here. */
export function parseXenToolsConf(text: string): ReadonlyMap<string, string> {
  const settings = new Map<string, string>()
  for (const line of text.replaceAll(/\\\n/g, '').split('\n')) {
    const [, key, value] = /^([^#=]+)=([^#]*)/.exec(line) ?? []
    if (key !== undefined && value !== undefined && value.trim() !== '') settings.set(key.trim(), value.trim())
  }
  return settings
}
