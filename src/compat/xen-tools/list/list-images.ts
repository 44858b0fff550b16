/** What xen-list-images 4.9.2 prints of the files in /etc/xen, from their lines alone: it never asks Xen. Pure. */

export type ConfigFile = { readonly path: string; readonly text: string }

/** Which names of a directory it looks at, in its order. */
export function listedNames(names: readonly string[], extension: string): string[] {
  const isLeftOut = (name: string): boolean => /~$|\.dpkg-[a-z]+$|\.sxp$|^xl\.conf$/.test(name)
  return names
    .filter((name) => !name.startsWith('.') && name.endsWith(extension) && !isLeftOut(name))
    .sort((a, b) => (a < b ? -1 : 1))
}

export function printImages(files: readonly ConfigFile[]): string {
  return files.map(printImage).join('\n')
}

/** By line, the last one of each kind counting; only what stands in the quotes that it expects is seen. */
function printImage({ path, text }: ConfigFile): string {
  const lines = text.split('\n')
  const last = (pattern: RegExp): string | undefined => lines.flatMap((line) => pattern.exec(line)?.[1] ?? []).at(-1)
  const mac = last(/mac=['"]([^'"]+)['"]/)
  const end = mac === undefined ? '' : ` [MAC: ${mac}]`
  const ip = last(/ip=([0-9.]+)/)
  const isDynamic = lines.some((line) => /^\s*dhcp\s*=\s*"dhcp"/i.test(line))
  return [
    `Name: ${last(/^\s*name\s*=\s*["']([^'"]+)['"]/i) ?? ''}`,
    `Memory: ${last(/^\s*memory[^0-9]*([0-9]+)/i) ?? 0} MB`,
    ...(ip === undefined ? [] : [`IP: ${ip}${end}`]),
    ...(isDynamic ? [`DHCP${end}`] : []),
    `Config: ${path}\n`,
  ].join('\n')
}
