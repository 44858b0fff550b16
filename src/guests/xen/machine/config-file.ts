/** What changes of a guest's machine is written into its file, so that it stays so at the next start. */
import type { XlValue } from '../../../formats/xl-cfg/parse.ts'
import { withSetting } from '../../../formats/xl-cfg/print.ts'
import type { Host } from '../../../hosts/host.ts'
import type { CallOptions } from '../../hypervisor.ts'
import type { Known } from '../observe.ts'

/** Of a domain that was started without a file there is nothing to write. */
export async function keepInConfig(
  host: Host,
  { paths }: Known,
  changed: Readonly<Record<string, XlValue>>,
  options: CallOptions,
): Promise<void> {
  const content = await host.readFile(paths.config, options)
  if (content === undefined) return
  const before = new TextDecoder().decode(content)
  const text = Object.entries(changed).reduce((all, [key, value]) => withSetting(all, key, value), before)
  await host.writeFile(paths.config, text, options)
}
