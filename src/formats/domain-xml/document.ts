/**
 * XML as libvirt writes and reads it, by paths: `./os/type`, `./os/@arch`, `./devices/disk[2]/source/@file`,
 * `./features/smm[@state='on']`. Elements are the XML library's own, so that whatever Baton does not know stays as it is.
 */
import {
  DOMImplementation,
  DOMParser,
  type Document,
  type Element,
  type Node,
  ParseError,
  XMLSerializer,
} from '@xmldom/xmldom'

export type { Element } from '@xmldom/xmldom'

const elementNode = 1
const textNode = 3
const commentNode = 8

/** Text that is no XML: what is wrong, with the line where the parser says so. */
export class XmlError extends Error {
  override readonly name = 'XmlError'
}

/** The root element. @throws XmlError */
export function parseXml(text: string): Element {
  const fail = (message: string): never => {
    throw new XmlError(message)
  }
  try {
    const parser = new DOMParser({ onError: (_level, message) => fail(message), normalizeLineEndings })
    return parser.parseFromString(text, 'text/xml').documentElement ?? fail('there is no element')
  } catch (error) {
    if (error instanceof ParseError) throw new XmlError(error.message)
    throw error
  }
}

/** As XML 1.0 has it (§2.11): the parser's own is that of 1.1, which takes U+0085 and U+2028 for the ends of lines, too. */
function normalizeLineEndings(text: string): string {
  return text.replace(/\r\n?/g, '\n')
}

/** An element of a document of its own. */
export function newElement(name: string): Element {
  const root = new DOMImplementation().createDocument(null, name).documentElement
  if (root === null) throw new XmlError(`there is no element ${name}`)
  return root
}

/** Every element has one: xmldom's types allow for nodes that are documents themselves. */
export function documentOf(element: Element): Document {
  const { ownerDocument } = element
  if (ownerDocument === null) throw new XmlError(`${element.nodeName} belongs to no document`)
  return ownerDocument
}

/** Indented by two spaces, with a newline at the end, as `virsh dumpxml` prints it. */
export function formatXml(element: Element): string {
  const copy = element.cloneNode(true) as Element
  indent(copy, '\n')
  return `${new XMLSerializer().serializeToString(copy)}\n`
}

/** Only elements whose children are all elements or comments: text is left as it is. */
function indent(element: Element, margin: string): void {
  const children = Array.from(element.childNodes)
  const isText = (node: Node): boolean => node.nodeType === textNode && (node.nodeValue ?? '').trim() !== ''
  const inner = children.filter(({ nodeType }) => nodeType === elementNode || nodeType === commentNode)
  if (inner.length === 0 || children.some(isText)) return
  for (const node of children) if (node.nodeType === textNode) element.removeChild(node)
  const document = documentOf(element)
  for (const node of inner) {
    element.insertBefore(document.createTextNode(`${margin}  `), node)
    if (node.nodeType === elementNode) indent(node as Element, `${margin}  `)
  }
  element.appendChild(document.createTextNode(margin))
}

export function childElements(element: Element, name?: string): Element[] {
  return Array.from(element.childNodes).filter(
    (node): node is Element => node.nodeType === elementNode && (name === undefined || node.nodeName === name),
  )
}

type Step = {
  readonly name: string
  /** 1 for the first of its name. */
  readonly position: number
  readonly condition?: { readonly attribute: string; readonly value: string }
}
type Path = { readonly steps: readonly Step[]; readonly attribute?: string }

function parsePath(path: string): Path {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  const last = parts.at(-1)
  const attribute = last?.startsWith('@') ? last.slice(1) : undefined
  const steps = (attribute === undefined ? parts : parts.slice(0, -1)).map(parseStep)
  return attribute === undefined ? { steps } : { steps, attribute }
}

function parseStep(part: string): Step {
  const [, name, position, attribute, value] = /^([\w:.-]+)(?:\[(?:(\d+)|@([\w:.-]+)='([^']*)')\])?$/.exec(part) ?? []
  if (name === undefined) throw new XmlError(`no path: ${part}`)
  const step = { name, position: Number(position ?? 1) }
  return attribute === undefined ? step : { ...step, condition: { attribute, value: value ?? '' } }
}

function follow(element: Element, { name, position, condition }: Step): Element | undefined {
  const fitting = childElements(element, name).filter(
    (child) => condition === undefined || child.getAttribute(condition.attribute) === condition.value,
  )
  return fitting[position - 1]
}

/** The element of a path; undefined when there is none. */
export function elementAt(from: Element, path: string): Element | undefined {
  let found: Element | undefined = from
  for (const step of parsePath(path).steps) found = found === undefined ? undefined : follow(found, step)
  return found
}

/** Every element that a path without positions leads to. */
export function elementsAt(from: Element, path: string): Element[] {
  let found: Element[] = [from]
  for (const { name } of parsePath(path).steps) found = found.flatMap((element) => childElements(element, name))
  return found
}

/** An attribute, or the text of an element; undefined when it is not there. */
export function valueAt(from: Element, path: string): string | undefined {
  const { attribute } = parsePath(path)
  const element = elementAt(from, path)
  if (attribute === undefined) return element?.textContent ?? undefined
  return element?.getAttribute(attribute) ?? undefined
}

/** The element of a path, made with all above it where it is missing. */
export function ensureAt(from: Element, path: string): Element {
  let found = from
  for (const step of parsePath(path).steps) {
    while (follow(found, step) === undefined) {
      const made = documentOf(found).createElement(step.name)
      if (step.condition !== undefined) made.setAttribute(step.condition.attribute, step.condition.value)
      found.appendChild(made)
    }
    found = follow(found, step) as Element
  }
  return found
}

/** Another element of this name, after those that are there. */
export function addElement(
  parent: Element,
  name: string,
  values: Readonly<Record<string, string | undefined>> = {},
): Element {
  const element = documentOf(parent).createElement(name)
  parent.appendChild(element)
  for (const [path, value] of Object.entries(values)) if (value !== undefined) setAt(element, path, value)
  return element
}

/** Sets an attribute or a text; undefined takes it away, and with it what is left empty. */
export function setAt(from: Element, path: string, value: string | undefined): void {
  const { attribute } = parsePath(path)
  if (value === undefined) return removeAt(from, path)
  const element = ensureAt(from, path)
  if (attribute === undefined) element.textContent = value
  else element.setAttribute(attribute, value)
}

/** Takes an attribute or an element away, and the elements above it that it leaves empty. */
export function removeAt(from: Element, path: string): void {
  const { attribute } = parsePath(path)
  const element = elementAt(from, path)
  if (element === undefined) return
  if (attribute !== undefined) element.removeAttribute(attribute)
  if (attribute !== undefined && !isEmpty(element)) return
  for (let one = element; one !== from; ) {
    const parent = one.parentNode as Element
    parent.removeChild(one)
    // What was between the children has nothing to be between any more.
    if (childElements(parent).length === 0 && (parent.textContent ?? '').trim() === '') parent.textContent = ''
    if (!isEmpty(parent)) return
    one = parent
  }
}

function isEmpty(element: Element): boolean {
  return (
    element.attributes.length === 0 && childElements(element).length === 0 && (element.textContent ?? '').trim() === ''
  )
}
