/** How a conversion tells what it does not take over, and what stands against the file. */
import type { Place } from '../../formats/keepalived/finding.ts'

export type Say = (severity: 'error' | 'warning', place: Place, message: string) => void
