/** A rules file of ipvsadm, with the names in it looked up on this machine. */
import { type ParsedRules, parseRules } from '../../formats/ipvsadm-rules.ts'
import { machineNames, nameBook } from './names.ts'

/** Never rejects for what is in the text: that is among the problems, by line. */
export async function readRules(text: string): Promise<ParsedRules> {
  const book = nameBook(machineNames())
  let parsed = parseRules(text, book.names)
  while (book.isAsked()) {
    await book.learn()
    parsed = parseRules(text, book.names)
  }
  return parsed
}
