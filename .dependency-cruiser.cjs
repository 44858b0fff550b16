// Imports run downwards only (DESIGN: the house). Each room lists the rooms it may never look up into.
const layers = [
  ['cli'],
  ['compat'],
  ['cluster/apply', 'cluster/observe'],
  ['api'],
  ['director'],
  ['health', 'guests', 'engines', 'vrrp', 'sync'],
  ['hosts'],
  ['os'],
]
const folder = (name) => `^src/${name}(/|\\.ts)`
const upward = layers.flatMap((rooms, depth) =>
  layers.slice(0, depth).length === 0
    ? []
    : [
        {
          name: `no-upward-import-from-${rooms.map((r) => r.replace('/', '-')).join('-')}`,
          severity: 'error',
          from: { path: rooms.map(folder), pathNot: '\\.(test|contract)\\.ts$' },
          to: { path: layers.slice(0, depth).flat().map(folder) },
        },
      ],
)
const pure = ['cluster/spec', 'cluster/plan', 'lvs', 'vrrp/machine', 'health/machine', 'formats', 'wire']

module.exports = {
  forbidden: [
    ...upward,
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'pure-rooms-know-no-machine',
      comment: 'No Node built-ins, no I/O rooms: time, chance and bytes come in as arguments.',
      severity: 'error',
      from: { path: pure.map(folder), pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'pure-rooms-look-only-at-pure-rooms',
      severity: 'error',
      from: { path: pure.map(folder), pathNot: '\\.test\\.ts$' },
      to: { path: '^src/(cli|compat|api|director|guests|engines|sync|hosts|os|cluster/(apply|observe))', pathNot: '^src/(guests/hypervisor|guests/images/image|engines/(engine|refusals|choice|ebpf/tuning)|director/(control|events)|hosts/host|hosts/ssh/destination)\\.ts$' },
    },
    { name: 'only-os-speaks-ffi', severity: 'error', from: { pathNot: '^src/os/' }, to: { path: 'node_modules/koffi' } },
    {
      name: 'product-never-imports-tests',
      severity: 'error',
      from: { path: '^src', pathNot: '\\.(test|contract)\\.ts$' },
      to: { path: '\\.(test|contract)\\.ts$|^(test|labs|bench)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js'], exportsFields: ['exports'], conditionNames: ['import', 'node', 'types'] },
  },
}
