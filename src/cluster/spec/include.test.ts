import { describe, expect, test } from 'vitest'
import { formatDiagnostic } from './diagnostic.ts'
import { type ParsedSpec, parseSpec } from './parse.ts'

/** Parses the first of these files. */
function parse(files: Readonly<Record<string, string>>, environment: Record<string, string> = {}): ParsedSpec {
  const [file = '', text = ''] = Object.entries(files)[0] ?? []
  return parseSpec({ file, text, environment, directory: '/d', readInclude: (path) => files[path] })
}

function findings(files: Readonly<Record<string, string>>): string[] {
  return parse(files).diagnostics.map(formatDiagnostic)
}

describe('including files', () => {
  test('sections are merged by name, and each file is the base of its own paths', () => {
    const { spec, diagnostics, files, places } = parse({
      'specs/baton.yaml': 'name: a\ninclude: [images/all.yaml, guests.yaml]\nguests: { web: { image: web } }\n',
      'specs/images/all.yaml': 'include: more.yaml\nimages: { web: { disk: ./web.qcow2 } }\n',
      'specs/images/more.yaml': 'images: { db: { disk: db.qcow2 } }\n',
      'specs/guests.yaml': 'guests: { db: { image: db } }\n',
    })
    expect(diagnostics).toEqual([])
    expect(spec?.images).toEqual({
      web: { kind: 'disk', path: '/d/specs/images/web.qcow2' },
      db: { kind: 'disk', path: '/d/specs/images/db.qcow2' },
    })
    expect(Object.keys(spec?.guests ?? {})).toEqual(['web', 'db'])
    expect(files).toEqual(['specs/baton.yaml', 'specs/images/all.yaml', 'specs/images/more.yaml', 'specs/guests.yaml'])
    expect(places(['guests', 'db', 'image'])).toEqual({ file: 'specs/guests.yaml', line: 1, column: 24 })
  })

  test.each([
    [
      'a name that two files define is an error at the second',
      {
        'a.yaml': 'name: a\ninclude: b.yaml\nguests:\n  web: { image: tiny }\n',
        'b.yaml': 'guests:\n  web: { image: tiny }\n',
      },
      [
        'b.yaml:2:3: guests.web is defined twice: first in a.yaml, line 4 (keep one of them, or give this one another name)',
      ],
    ],
    [
      'a value that two files give is an error at the second',
      { 'a.yaml': 'name: a\ninclude: b.yaml\n', 'b.yaml': 'name: b\n' },
      ['b.yaml:1:1: name is defined twice: first in a.yaml, line 1 (keep one of them, or give this one another name)'],
    ],
    [
      'a circle is an error where it closes',
      { 'a.yaml': 'name: a\ninclude: x/b.yaml\n', 'x/b.yaml': 'include:\n  - ../a.yaml\n' },
      ['x/b.yaml:2:5: ../a.yaml includes itself: a.yaml → x/b.yaml → a.yaml (remove one include of this circle)'],
    ],
    [
      'a file that includes itself is a circle',
      { './a.yaml': 'name: a\ninclude: a.yaml\n' },
      ['./a.yaml:2:10: a.yaml includes itself: a.yaml → a.yaml (remove one include of this circle)'],
    ],
    [
      'a file that is included in two ways counts once',
      {
        'a.yaml': 'name: a\ninclude: [b.yaml, c.yaml]\n',
        'b.yaml': 'include: c.yaml\n',
        'c.yaml': 'guests: { web: { image: tiny } }\n',
      },
      [],
    ],
    [
      'errors in several files come file by file; what a broken file would define is not missed',
      {
        'a.yaml': 'name: a\nguests: { web: { image: there, vcpus: 0 } }\ninclude: [b.yaml, c.yaml, d.yaml]\n',
        'b.yaml': 'images: {',
        'c.yaml': 'zzz: 1\n',
      },
      [
        'a.yaml:2:39: vcpus: expected a whole number from 1 to 1024, found 0',
        'a.yaml:3:27: cannot read the included file d.yaml (the path is relative to the file that names it)',
        'b.yaml:1:9: this { is never closed (expected a closing bracket)',
        'c.yaml:1:1: unknown key zzz (the file takes name, include, hosts, images, guests, services, directors)',
      ],
    ],
    [
      'an included file must be a map',
      { 'a.yaml': 'name: a\ninclude: b.yaml\n', 'b.yaml': '- x\n' },
      ['b.yaml:1:1: the file is a list: expected a map (begin with a line such as name: shop)'],
    ],
  ])('%s', (_, files, expected) => {
    expect(findings(files)).toEqual(expected)
  })

  test('absolute paths, HOME and variables name files', () => {
    const { spec } = parse(
      {
        'a.yaml': 'include: [/etc/b.yaml, ~/c.yaml, "${DIR}/d.yaml"]\n',
        '/etc/b.yaml': 'name: a\n',
        '/home/ann/c.yaml': 'guests: { c: { image: tiny } }\n',
        'x/d.yaml': 'guests: { d: { image: tiny } }\n',
      },
      { HOME: '/home/ann', DIR: 'x' },
    )
    expect(Object.keys(spec?.guests ?? {})).toEqual(['c', 'd'])
  })

  test('a chain of files without an end comes to one', () => {
    let count = 0
    const { diagnostics } = parseSpec({
      file: '0.yaml',
      text: 'name: a\ninclude: 1.yaml\n',
      environment: {},
      readInclude: () => `include: ${++count + 1}.yaml\n`,
    })
    expect(diagnostics).toMatchObject([{ message: 'too many files: at most 200 can be included' }])
  })
})
