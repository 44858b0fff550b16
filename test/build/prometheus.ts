/** A reader of Prometheus' text format that forgives nothing: for tests of what is exposed. */

export type Sample = {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export type ExposedFamily = {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: readonly Sample[]
}

const metricName = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const labelPattern = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y
const suffixes: Readonly<Record<string, readonly string[]>> = {
  histogram: ['_bucket', '_sum', '_count'],
  counter: [''],
  gauge: [''],
}

/** @throws Error with the line that is wrong. */
export function parseExposition(text: string): ExposedFamily[] {
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  const families: { name: string; type: string; help: string; samples: Sample[] }[] = []
  const seen = new Set<string>()
  let help: { name: string; text: string } | undefined
  for (const line of text.split('\n').slice(0, -1)) {
    const wrong = (why: string): Error => new Error(`${why}: ${line}`)
    if (line === '') continue
    const helped = new RegExp(`^# HELP (${metricName}) (.+)$`).exec(line)
    const typed = new RegExp(`^# TYPE (${metricName}) (counter|gauge|histogram)$`).exec(line)
    if (helped !== null) help = { name: helped[1] ?? '', text: helped[2] ?? '' }
    else if (typed !== null) {
      const [, name = '', type = ''] = typed
      if (help?.name !== name) throw wrong('a type without its help')
      if (families.some((family) => family.name === name)) throw wrong('a family twice')
      families.push({ name, type, help: help.text, samples: [] })
    } else if (line.startsWith('#')) throw wrong('a comment of no kind')
    else {
      const sample = parseSample(line)
      const family = families.at(-1)
      const suffix = sample.name.slice(family?.name.length)
      if (family === undefined || !sample.name.startsWith(family.name) || !suffixes[family.type]?.includes(suffix))
        throw wrong('a sample outside of its family')
      const identity = JSON.stringify([sample.name, Object.entries(sample.labels).sort()])
      if (seen.has(identity)) throw wrong('a sample twice')
      seen.add(identity)
      if (family.type === 'counter' && !(sample.value >= 0)) throw wrong('a counter below nothing')
      family.samples.push(sample)
    }
  }
  for (const family of families) if (family.type === 'histogram') checkHistogram(family)
  return families
}

function parseSample(line: string): Sample {
  const [, name = '', , inner = '', value = ''] =
    new RegExp(`^(${metricName})(\\{(.*)\\})? (-?[0-9]+(?:\\.[0-9]+)?(?:e[+-]?[0-9]+)?|\\+Inf|-Inf|NaN)$`).exec(line) ??
    []
  if (name === '') throw new Error(`no sample: ${line}`)
  const labels: Record<string, string> = {}
  labelPattern.lastIndex = 0
  while (labelPattern.lastIndex < inner.length) {
    const [, label = '', text = '', end] = labelPattern.exec(inner) ?? []
    if (label === '' || Object.hasOwn(labels, label)) throw new Error(`wrong labels: ${line}`)
    if (end === '' && labelPattern.lastIndex !== inner.length) throw new Error(`wrong labels: ${line}`)
    labels[label] = text.replace(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter))
  }
  return { name, labels, value: Number(value.replace('Inf', 'Infinity')) }
}

function checkHistogram({ name, samples }: ExposedFamily): void {
  const series = new Map<string, { bounds: number[]; counts: number[]; count?: number; sum?: number }>()
  for (const { name: own, labels, value } of samples) {
    const { le, ...rest } = labels
    const key = JSON.stringify(Object.entries(rest).sort())
    const one = series.get(key) ?? { bounds: [], counts: [] }
    series.set(key, one)
    if (own === `${name}_bucket`) {
      one.bounds.push(Number(le?.replace('Inf', 'Infinity')))
      one.counts.push(value)
    } else if (own === `${name}_sum`) one.sum = value
    else one.count = value
  }
  for (const [key, { bounds, counts, count, sum }] of series) {
    const rises = (list: readonly number[], isStrict: boolean): boolean =>
      list.every((value, at) => at === 0 || value > (list[at - 1] ?? 0) || (!isStrict && value === list[at - 1]))
    const isWhole = bounds.at(-1) === Number.POSITIVE_INFINITY && counts.at(-1) === count && sum !== undefined
    if (!isWhole || !rises(bounds, true) || !rises(counts, false)) throw new Error(`no histogram: ${name} ${key}`)
  }
}
