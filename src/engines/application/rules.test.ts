import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ContentMatch } from '../../lvs/application.ts'
import { normalisePath, rulePath } from './path.ts'
import { compileRules, type RequestView } from './rules.ts'

type Asked = { host?: string; target?: string; headers?: readonly (readonly [string, string])[] }

function view({ host, target = '/', headers = [] }: Asked): RequestView {
  return { host, target, header: (name) => headers.flatMap(([own, value]) => (own === name ? [value] : [])) }
}

function goes(match: ContentMatch, asked: Asked): string {
  const choice = compileRules([{ match, pool: 'it' }])(view(asked))
  return choice.kind === 'pool' ? choice.pool : choice.kind
}

const path = (value: string, exact = false): ContentMatch => ({ path: { value, exact } })

type Case = { name: string; match: ContentMatch; yes: readonly Asked[]; no: readonly Asked[] }

describe('content rules', () => {
  test.each<Case>([
    { name: 'nothing given always holds', match: {}, yes: [{}, { host: 'a', target: '/x' }], no: [] },
    {
      name: 'a host is that host only',
      match: { host: 'shop.example' },
      yes: [{ host: 'shop.example' }],
      no: [{}, { host: 'www.shop.example' }, { host: 'shop.example.org' }, { host: 'xshop.example' }],
    },
    {
      name: 'a wildcard is everything below, however deep, and not the name itself',
      match: { host: '*.shop.example' },
      yes: [{ host: 'a.shop.example' }, { host: 'a.b.shop.example' }],
      no: [{ host: 'shop.example' }, { host: '.shop.example' }, { host: 'ashop.example' }, {}],
    },
    {
      name: 'a prefix ends at a segment’s border',
      match: path('/api'),
      yes: [
        { target: '/api' },
        { target: '/api/' },
        { target: '/api/x?y' },
        { target: '/api?x=/y' },
        { target: '//api/x' },
      ],
      no: [{ target: '/apix' }, { target: '/ap' }, { target: '/' }, { target: '/API' }, { target: '/x/api' }],
    },
    {
      name: 'a prefix with a slash is what lies below it',
      match: path('/api/'),
      yes: [{ target: '/api/' }, { target: '/api/x' }],
      no: [{ target: '/api' }, { target: '/apix' }],
    },
    { name: 'the root is all paths', match: path('/'), yes: [{ target: '/' }, { target: '/x' }], no: [] },
    {
      name: 'an exact path is itself only, query aside',
      match: path('/api', true),
      yes: [{ target: '/api' }, { target: '/api?x' }, { target: '/x/../api' }, { target: '/%61pi' }],
      no: [{ target: '/api/' }, { target: '/api/x' }],
    },
    {
      name: 'a path is decoded once, and only once',
      match: path('/a b/ü'),
      yes: [{ target: '/a%20b/%C3%BC' }, { target: '/a%20b/%c3%bc/x' }],
      no: [{ target: '/a%2520b/%C3%BC' }, { target: '/a+b/%C3%BC' }],
    },
    {
      name: 'what climbs is where it arrives',
      match: path('/admin'),
      yes: [{ target: '/public/../admin/x' }, { target: '/public/%2e%2E/admin' }, { target: '/./admin' }],
      no: [{ target: '/admin/../public' }, { target: '/admin/%2e%2e/public' }],
    },
    {
      name: 'a header is there, whatever it says',
      match: { header: { name: 'x-beta' } },
      yes: [{ headers: [['x-beta', '']] }, { headers: [['x-beta', 'no']] }],
      no: [{}, { headers: [['x-bet', 'a']] }],
    },
    {
      name: 'a header says this',
      match: { header: { name: 'x-beta', value: 'yes' } },
      yes: [
        {
          headers: [
            ['x-beta', 'no'],
            ['x-beta', 'yes'],
          ],
        },
      ],
      no: [{}, { headers: [['x-beta', 'Yes']] }, { headers: [['x-beta', 'yes, no']] }],
    },
    {
      name: 'a cookie is there',
      match: { cookie: { name: 'beta' } },
      yes: [
        { headers: [['cookie', 'a=1; beta=']] },
        {
          headers: [
            ['cookie', 'a=1'],
            ['cookie', 'beta=2'],
          ],
        },
      ],
      no: [{}, { headers: [['cookie', 'abeta=1; Beta=1; beta']] }, { headers: [['x', 'beta=1']] }],
    },
    {
      name: 'a cookie says this',
      match: { cookie: { name: 'beta', value: 'a=b' } },
      yes: [{ headers: [['cookie', 'x=1;beta=a=b']] }, { headers: [['cookie', 'beta="a=b"']] }],
      no: [{ headers: [['cookie', 'beta=a']] }],
    },
    {
      name: 'all that is given must hold',
      match: { host: 'a', path: { value: '/x', exact: false }, header: { name: 'h' }, cookie: { name: 'c' } },
      yes: [
        {
          host: 'a',
          target: '/x',
          headers: [
            ['h', ''],
            ['cookie', 'c=1'],
          ],
        },
      ],
      no: [
        {
          host: 'b',
          target: '/x',
          headers: [
            ['h', ''],
            ['cookie', 'c=1'],
          ],
        },
        {
          host: 'a',
          target: '/y',
          headers: [
            ['h', ''],
            ['cookie', 'c=1'],
          ],
        },
        { host: 'a', target: '/x', headers: [['cookie', 'c=1']] },
        { host: 'a', target: '/x', headers: [['h', '']] },
      ],
    },
  ])('$name', ({ match, yes, no }) => {
    for (const asked of yes) expect(goes(match, asked), JSON.stringify(asked)).toBe('it')
    for (const asked of no) expect(goes(match, asked), JSON.stringify(asked)).toBe('own')
  })

  test('the first rule that matches names the pool', () => {
    const choose = compileRules([
      { match: path('/api/v2'), pool: 'new' },
      { match: path('/api'), pool: 'old' },
      { match: {}, pool: 'rest' },
    ])
    const pools = ['/api/v2/x', '/api/v1', '/'].map((target) => choose(view({ target })))
    expect(pools).toEqual(['new', 'old', 'rest'].map((pool) => ({ kind: 'pool', pool })))
  })

  test.each([
    '/../x', '/a/../../x', '/%2e%2e/x', '/a%00', '/a/..%2fadmin', '/a%2f..%2fadmin', '/a\\..\\admin', '/a%5c..%5cadmin', '/a/%2e%2e%2Fx',
  ])('%s means different things to different servers: no path rule is applied to it', (target) => {
    expect(goes(path('/a'), { target })).toBe('refuse')
    expect(goes({ host: 'a' }, { host: 'a', target })).toBe('it')
  }) // biome-ignore format: a list to read at a glance

  test('encoded separators are no separators', () => {
    expect(goes(path('/api'), { target: '/api%2Fx' })).toBe('own')
    expect(goes(path('/x'), { target: '/x/a%2Fb' })).toBe('it')
  })

  test('a path in its normal form has no dots to resolve, and stays as it is', () => {
    const part = fc.oneof(
      fc.constantFrom('..', '.', '', '%2e', '%2E%2e', 'a', '%41', '%20', 'é', '%', '%zz'),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const normal = normalisePath(`/${parts.join('/')}`)
        if (normal === undefined) return
        expect(normal.startsWith('/')).toBe(true)
        expect(normal.split('/').some((segment) => segment === '.' || segment === '..')).toBe(false)
      }),
    )
  })

  test('whatever a path is written like, the rule for its segments finds it', () => {
    const segment = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !/^\.{1,2}$|[/\\\0?#%]/u.test(text))
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1 }), fc.boolean(), (segments, isDetour) => {
        if (segments.some((text) => /[\uD800-\uDFFF]/u.test(text))) return
        const target = `/${isDetour ? 'x/../' : ''}${segments.map((text) => encodeURIComponent(text)).join('/')}`
        expect(normalisePath(target)).toBe(rulePath(`/${segments.join('/')}`))
      }),
    )
  })
})
