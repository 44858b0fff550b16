/** What the programs of xen-tools have in common. */

export const confDirectory = '/etc/xen-tools'
export const confFile = `${confDirectory}/xen-tools.conf`
/** Whose words they speak. */
export const release = '4.9.2'

/** What came of it: what is still to be printed on both streams, and the exit code. */
export type Outcome = { readonly stdout: string; readonly stderr: string; readonly code: number }
