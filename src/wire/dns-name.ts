/** Names of DNS-based services as text, in one canonical form. */

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

/** 253 is what a name may have (RFC 1035 §2.3.4); a responder puts a label of up to 40 before that of its service. */
const longest = 213

/**
 * `WWW.Shop.` → `www.shop`: lower case, without the dot at the end (names are compared without case, RFC 4343).
 * Letters, digits, hyphens and underscores. undefined when it is no name, or too long for names below it.
 */
export function parseDnsName(text: string): string | undefined {
  // Only ASCII has a lower case here: `K` (the Kelvin sign) must not become a `k`.
  const name = text.replace(/\.$/, '').replace(/[A-Z]/g, (letter) => letter.toLowerCase())
  return name.length <= longest && name.split('.').every((part) => label.test(part)) ? name : undefined
}
