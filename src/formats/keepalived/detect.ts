/** Whether a file is a keepalived.conf. Apart from its parser, so that a director that serves a baton.yaml loads only this. */

/** By its name, or by a block that only a keepalived.conf has. */
export function isKeepalived(file: string, text: string): boolean {
  if (/\.(ya?ml|cf)$/.test(file)) return false
  if (/(^|\/)keepalived[^/]*\.conf[^/]*$/.test(file)) return true
  return /^\s*(global_defs|virtual_server(_group)?\s.*|vrrp_instance\s.*|vrrp_sync_group\s.*)\s*\{/m.test(text)
}
