/** Colours, decided once: views take a Paint and never ask what they write to. */
import { styleText } from 'node:util'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan' | 'inverse'
export type Paint = (style: Style, text: string) => string

export const plainPaint: Paint = (_style, text) => text
export const colourPaint: Paint = (style, text) => styleText(style, text, { validateStream: false })

/** Colours only on a terminal, and not when the user has set NO_COLOR (no-color.org) or has a dumb terminal. */
export function choosePaint(isTerminal: boolean, environment: Readonly<Record<string, string | undefined>>): Paint {
  const refused = (environment['NO_COLOR'] ?? '') !== '' || environment['TERM'] === 'dumb'
  return isTerminal && !refused ? colourPaint : plainPaint
}
