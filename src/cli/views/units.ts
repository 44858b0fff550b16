/** Quantities as people read them. */

/** `128M`, `1.5G`: powers of 1024, as the spec reads them. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'K', 'M', 'G', 'T', 'P']
  let value = bytes
  let at = 0
  while (value >= 1023.5 && at < units.length - 1) {
    value /= 1024
    at++
  }
  const rounded = value < 10 && at > 0 ? Math.round(value * 10) / 10 : Math.round(value)
  return `${rounded}${units[at]}`
}

/** `0.4s`, `12s`, `3m05s`, `2h07m`. */
export function formatDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`
  const whole = Math.round(seconds)
  const two = (value: number): string => String(value).padStart(2, '0')
  if (whole < 60) return `${whole}s`
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`
}

/** `1 guest`, `3 guests`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
