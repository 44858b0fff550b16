/** What tells SIP calls apart: the persistence engine `sip` of UDP services. */

/** Longer ones are refused, as the kernel refuses them. */
const maxLength = 255

/** The value of the Call-ID header, long or compact (RFC 3261 §20.8), of a SIP message; undefined when it has none. */
export function callIdOf(message: Uint8Array): string | undefined {
  const text = Buffer.from(message.buffer, message.byteOffset, message.byteLength).toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  const head = end < 0 ? text : text.slice(0, end)
  const value = /\r?\n(?:call-id|i)[ \t]*:[ \t]*([^\s]+)/iu.exec(head)?.[1]
  return value === undefined || value.length > maxLength ? undefined : value
}
