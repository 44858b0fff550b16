/** The comma-separated words of an option's value, as virt-install reads them: `"` quotes, `\` takes the next letter as it is. */
import { Refusal } from './refusal.ts'

/** A word without `=` has no value. */
export type Word = { readonly name: string; readonly value: string | undefined }

/** @throws Refusal for a quote that is not closed. */
export function splitWords(text: string): Word[] {
  const words: string[] = []
  let word = ''
  let quoted = false
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at] ?? ''
    if (letter === '\\' && at + 1 < text.length && (!quoted || /["\\]/.test(text[at + 1] ?? ''))) {
      at += 1
      word += text[at]
    } else if (letter === '"') quoted = !quoted
    else if (letter === ',' && !quoted && text[at + 1] === ',') {
      // A doubled comma is one of the value.
      at += 1
      word += ','
    } else if (letter === ',' && !quoted) {
      words.push(word)
      word = ''
    } else word += letter
  }
  if (quoted) throw new Refusal(`No closing quotation in ${text}`)
  words.push(word)
  return words.filter((one) => one !== '').map(splitWord)
}

function splitWord(word: string): Word {
  const at = word.indexOf('=')
  return at < 0 ? { name: word, value: undefined } : { name: word.slice(0, at), value: word.slice(at + 1) }
}

/** Values that stand first without a name are the option's main ones: `--disk FILE,size=8`. */
export function nameFirst(words: readonly Word[], first: readonly string[]): Word[] {
  const named: Word[] = []
  let stillFirst = true
  for (const [index, word] of words.entries()) {
    const name = first[index]
    stillFirst &&= word.value === undefined && name !== undefined
    named.push(stillFirst && name !== undefined ? { name, value: word.name } : word)
  }
  return named
}
