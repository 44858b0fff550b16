/** What a domain's XML says, whatever the order in which it says it and without what is random. */
import { childElements, type Element, parseXml } from '../../src/formats/domain-xml/document.ts'

/** One text for each element of the domain and of its devices, sorted. */
export function meaningOf(xml: string): string[] {
  return childElements(parseXml(xml))
    .flatMap((element) => (element.nodeName === 'devices' ? childElements(element) : [element]))
    .map((element) => textOf(element).replaceAll(/mac\[address=52:54:00:(?!11:22:33)[^\]]*\]/g, 'mac[random]'))
    .map((text) => (text.startsWith('uuid[]=') && !text.includes('11111111') ? 'uuid' : text))
    .map((text) => text.replaceAll(/\/virtinst-[^-/]+-/g, '/virtinst-').replaceAll(/domain-\d+-/g, 'domain-'))
    .sort()
}

function textOf(element: Element): string {
  const attributes = Array.from(element.attributes)
    .filter(({ name }) => !name.startsWith('xmlns'))
    .map(({ name, value }) => `${name}=${value}`)
  const children = childElements(element).map(textOf)
  const text = children.length === 0 ? (element.textContent ?? '').trim() : ''
  return `${element.nodeName}[${attributes.sort().join(' ')}]=${text}{${children.sort().join(' ')}}`
}

/** The documents of several steps, one after the other. */
export function domainsOf(text: string): string[] {
  return text.split(/(?<=<\/domain>)/).filter((one) => one.trim() !== '')
}
