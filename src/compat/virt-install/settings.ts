/** Values that several options share. */
import { type Element, setAt } from '../../formats/domain-xml/document.ts'
import { Refusal } from './refusal.ts'

/** @throws Refusal */
export function readSwitch(option: string, name: string, value: string): boolean {
  if (/^(y|yes|1|true|t|on)$/i.test(value)) return true
  if (/^(n|no|0|false|f|off)$/i.test(value)) return false
  throw new Refusal(`Error: --${option} ${name}=${value}: ${name} must be 'yes' or 'no'`)
}

export function setFeature(cpu: Element, policy: string, feature: string): void {
  setAt(cpu, `./feature[@name='${feature}']/@policy`, policy)
}

/** As the program sees paths: from where it was started. */
export function absolute(path: string): string {
  return path === '' || path.startsWith('/') ? path : `${process.cwd()}/${path}`
}
