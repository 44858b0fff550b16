/** Whether a file is an ldirectord.cf. Apart from its parser, so that a director that serves a baton.yaml loads only this. */

/** By its name, or by what stands in it: only an ldirectord.cf has lines that begin with `virtual=`. */
export function isLdirectord(file: string, text: string): boolean {
  if (/\.ya?ml$/.test(file)) return false
  return /(^|\/)ldirectord[^/]*\.cf$/.test(file) || /^virtual6?\s*=/m.test(text)
}
