/** Which operating system `--osinfo` names. */
import { findOs, type OsFacts } from './osinfo.ts'
import { Refusal } from './refusal.ts'
import { nameFirst, splitWords } from './words.ts'

/** @throws Refusal for a system that the database does not know, or none where one is asked for. */
export function chosenOs(text: string | undefined): OsFacts | undefined {
  const words = text === undefined ? [] : nameFirst(splitWords(text), ['name'])
  const value = (name: string): string | undefined => words.find((word) => word.name === name)?.value
  const name = value('name') ?? value('short-id') ?? value('id')
  if (name === 'generic') return undefined
  if (name === undefined || name === 'auto' || name === 'detect') {
    const isOptional =
      value('require') === 'off' ||
      value('require') === 'no' ||
      process.env['VIRTINSTALL_OSINFO_DISABLE_REQUIRE'] === '1' ||
      name === 'auto'
    if (isOptional || (value('require') === undefined && value('detect') !== undefined)) return undefined
    throw new Refusal(
      '--os-variant/--osinfo OS name is required, but no value was\nset or detected.\n\nThis is now a fatal error. Specifying an OS name is required\nfor modern, performant, and secure virtual machine defaults.\n\nYou can see a full list of possible OS name values with:\n\n   virt-install --osinfo list',
    )
  }
  if (name === 'none') return undefined
  const found = findOs(name)
  if (found === 'missing')
    throw new Refusal(
      `Unknown OS name '${name}': libosinfo's database is not installed (install the package osinfo-db)`,
    )
  if (found === undefined) throw new Refusal(`Unknown OS name '${name}'. See \`--osinfo list\` for valid values.`)
  return found
}
