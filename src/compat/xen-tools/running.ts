/** Whether a guest runs, where there is a Xen to ask. */
import { parseDomains } from '../../formats/xl/list.ts'
import type { CallOptions, Host } from '../../hosts/host.ts'

/** undefined: this host does not run under Xen, or has no xl. */
export async function runningGuest(host: Host, name: string, options: CallOptions): Promise<boolean | undefined> {
  const script = 'PATH=$PATH:/usr/sbin:/sbin; command -v xl > /dev/null && xl list -v 2> /dev/null'
  const { code, stdout } = await host.run(['sh', '-c', script], options)
  return code === 0 ? parseDomains(stdout).some((domain) => domain.name === name) : undefined
}
