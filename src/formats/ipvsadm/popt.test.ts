import { describe, expect, test } from 'vitest'
import { optionTable } from './options.ts'
import { poptReader } from './popt.ts'

/** `list numeric connection` · `tcp=10.0.0.1:80`: an option and its value · `| foo`: what was no option · `! -q: …`: the error. */
function read(words: readonly string[]): string {
  const reader = poptReader(optionTable, words)
  const said: string[] = []
  for (;;) {
    const step = reader.next()
    if (step?.kind === 'error') return [...said, `! ${step.word}: ${step.reason}`].join(' ')
    if (step === undefined)
      return [...said, ...(reader.operands.length === 0 ? [] : ['|', ...reader.operands])].join(' ')
    said.push(step.value === undefined ? step.option.id : `${step.option.id}=${step.value}`)
  }
}

describe('a command line', () => {
  test.each([
    { name: 'options stand one by one', words: ['-L', '-n', '-c'], is: 'list numeric connection' },
    { name: 'short options bundle', words: ['-Lnc'], is: 'list numeric connection' },
    { name: 'two letters are one command', words: ['-l', '--list'], is: 'list list' },
    { name: 'a value is the next word', words: ['-A', '-t', 'X'], is: 'add-service tcp=X' },
    { name: 'a value is what follows its letter', words: ['-tX', '-w3'], is: 'tcp=X weight=3' },
    { name: 'one = before a value does not count', words: ['-t=X', '-t==X'], is: 'tcp=X tcp==X' },
    { name: 'an empty value is one', words: ['-t=', '--pe=', '-s', ''], is: 'tcp= pe= scheduler=' },
    { name: 'the last of a bundle takes the next word', words: ['-mw', '3'], is: 'masquerading weight=3' },
    { name: 'the rest of a bundle is the value', words: ['-Atp'], is: 'add-service tcp=p' },
    { name: 'a value may look like an option', words: ['-t', '-s', '-t', '--'], is: 'tcp=-s tcp=--' },
    { name: 'long options', words: ['--tcp-service', 'X', '--weight=3'], is: 'tcp=X weight=3' },
    { name: 'there are no abbreviations', words: ['--tcp-serv', 'X'], is: '! --tcp-serv: unknown option' },
    {
      name: '-p takes a word that is no option',
      words: ['-p', '50', '-p', '-s', 'rr'],
      is: 'persistent=50 persistent scheduler=rr',
    },
    { name: '-p takes an empty word', words: ['-p', ''], is: 'persistent=' },
    { name: '-p takes what is attached', words: ['-p-1', '--persistent=5'], is: 'persistent=-1 persistent=5' },
    { name: '-p may come last', words: ['-Ap'], is: 'add-service persistent' },
    { name: 'other words are kept', words: ['a', '-L', 'b', '-', ''], is: 'list | a b - ' },
    { name: '-- ends the options', words: ['-L', '--', '-n', '--'], is: 'list | -n --' },
    { name: 'an unknown letter', words: ['-Aq'], is: 'add-service ! -Aq: unknown option' },
    { name: 'an unknown word', words: ['-A', '--bogus=3'], is: 'add-service ! --bogus=3: unknown option' },
    { name: 'a value is missing', words: ['-A', '-t'], is: 'add-service ! -t: missing argument' },
    {
      name: 'a value that is not wanted',
      words: ['--numeric=3'],
      is: '! --numeric=3: option does not take an argument',
    },
    { name: 'an empty one, neither', words: ['-n='], is: '! -n=: option does not take an argument' },
    { name: 'nor in a bundle', words: ['-Ln=c'], is: 'list ! -Ln=c: option does not take an argument' },
  ])('$name', ({ words, is }) => {
    expect(read(words)).toBe(is)
  })
})
