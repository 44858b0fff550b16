/** Values that several options share. */
import { type Element, setAt } from '../../formats/domain-xml/document.ts'
import { Refusal } from './refusal.ts'

/** @throws Refusal */
export function readSwitch(option: string, name: string, value: string): boolean {
  if (/^(y|yes|1|true|t|on)$/i.test(value)) return true
  if (/^(n|no|0|false|f|off)$/i.test(value)) return false
  throw new Refusal(`Error: --${option} ${name}=${value}: ${name} must be 'yes' or 'no'`)
}

/** A whole number, also as 0x1f; in decimals. @throws Refusal */
export function readNumber(option: string, name: string, value: string): string {
  const text = value.trim()
  if (/^[+-]?(\d+|0x[\da-f]+)$/i.test(text))
    return String(BigInt(text.replace(/^[+-]/, '')) * (text.startsWith('-') ? -1n : 1n))
  throw new Refusal(`Error: --${option} ${name}=${value}: ${name} must be a whole number`)
}

export function setFeature(cpu: Element, policy: string, feature: string): void {
  setAt(cpu, `./feature[@name='${feature}']/@policy`, policy)
}

/** As the program sees paths: from where it was started. */
export function absolute(path: string): string {
  return path === '' || path.startsWith('/') ? path : `${process.cwd()}/${path}`
}
