/** docs/spec.md, made from the spec's JSON Schema: no key can go undocumented. Pure. */
import { jsonSchema } from '../src/cluster/spec/json-schema.ts'

type Schema = {
  readonly description?: string
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly default?: unknown
  readonly not?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly required?: readonly string[]
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, Schema>>
}

const head = ['| key | value | meaning |', '| --- | --- | --- |']

export function specPage(): string {
  const { $defs: shared = {}, ...schema } = jsonSchema() as Schema
  const lines = [
    '# The file',
    '',
    'Made from the schema by `npm run docs`. A name in capitals stands for a name of your own. Sizes are `256M` or `8G` (powers of 1024),',
    'durations carry their unit (`500ms`, `2s`, `5m`), `${VAR}` and `${VAR:-default}` come from the environment, and `$$` is a dollar sign.',
    'What each kind of check does: [checks.md](checks.md). How names are answered: [dns.md](dns.md).',
    '',
    ...head,
    ...rows('', schema),
    ...Object.entries(shared).flatMap(([name, shape]) => ['', `## A ${name}`, '', ...head, ...rows('', shape)]),
    '',
  ]
  return lines.join('\n')
}

function rows(prefix: string, schema: Schema): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, value]) => {
    const path = `${prefix}${key}`
    return [row(path, value, schema.required?.includes(key) === true), ...below(path, value)]
  })
}

/** The keys inside a map, a list or one of several forms. */
function below(path: string, schema: Schema): string[] {
  const inner = [schema, ...(schema.anyOf ?? [])].flatMap((form) => {
    if (form.items !== undefined) return forms(form.items).flatMap((item) => rows(`${path}[].`, item))
    if (typeof form.additionalProperties === 'object')
      return forms(form.additionalProperties).flatMap((entry) => rows(`${path}.NAME.`, entry))
    return rows(`${path}.`, form)
  })
  return [...new Set(inner)]
}

const forms = (schema: Schema): readonly Schema[] => schema.anyOf ?? [schema]

function row(path: string, schema: Schema, isRequired: boolean): string {
  const fallback =
    schema.default === undefined || isEmpty(schema.default) ? '' : `, default \`${JSON.stringify(schema.default)}\``
  const needed = isRequired ? ', required' : ''
  return `| \`${path}\` | ${shape(schema)}${needed}${fallback} | ${cell(schema.description ?? '')} |`
}

function shape(schema: Schema): string {
  if (schema.$ref !== undefined) return nameOf(schema.$ref)
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(' ')
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(shape))].join(' or ')
  if (schema.type === 'array') return `list of ${schema.items === undefined ? 'values' : shape(schema.items)}`
  if (schema.type === 'object') return 'map'
  return schema.type ?? 'value'
}

/** What stands in several places has a table of its own. */
function nameOf(ref: string): string {
  const name = ref.replace(/^.*\//, '')
  return `[${name}](#a-${name})`
}

const isEmpty = (value: unknown): boolean => JSON.stringify(value) === '{}' || JSON.stringify(value) === '[]'
const cell = (text: string): string => text.replaceAll('|', '\\|')
