/** The key that leads out of a console. Pure. */

/** Ctrl-], as in telnet and virsh. */
const escapeByte = 0x1d

/** What was typed before the escape key, and whether it was there; what comes after it is nobody's. */
export function splitAtEscape(data: Uint8Array): { readonly before: Uint8Array; readonly escaped: boolean } {
  const at = data.indexOf(escapeByte)
  return at < 0 ? { before: data, escaped: false } : { before: data.subarray(0, at), escaped: true }
}
