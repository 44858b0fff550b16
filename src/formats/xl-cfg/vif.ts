/** One network card of an xl.cfg (xl-network-configuration(5)), read and written. Pure. */

/** Keys in their order; '' as a whole is a card with xl's defaults. */
export type XlVif = ReadonlyMap<string, string>

/** As xl takes it: no blanks around `=`, those before a key pass; what has no `=` counts as a flag. */
export function parseXlVif(text: string): XlVif {
  const words = text.split(',').map((word) => word.trimStart())
  return new Map(
    words
      .filter((word) => word.trim() !== '')
      .map((word) => {
        const at = word.indexOf('=')
        return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)]
      }),
  )
}

export function printXlVif(vif: XlVif): string {
  return [...vif].map(([key, value]) => (value === '' ? key : `${key}=${value}`)).join(',')
}

/** vif.default.bridge of xl.conf(5), where a card names none. */
export const defaultBridge = 'xenbr0'
