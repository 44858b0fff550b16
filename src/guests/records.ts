/** What hypervisors write down of their guests on a host: JSON, in files of their own. */
import type { Host } from '../hosts/host.ts'
import type { CallOptions } from './hypervisor.ts'

/** undefined when there is no such file. Each is written atomically, by this hypervisor alone. */
export async function readJson<T>(host: Host, path: string, options: CallOptions): Promise<T | undefined> {
  const content = await host.readFile(path, options)
  return content === undefined ? undefined : (JSON.parse(new TextDecoder().decode(content)) as T)
}
