import { defineConfig } from 'vitest/config'

/** Each file has a world of its own, and mostly waits for guests to boot: two at a time. */
const guests = ['src/guests/**/*.lab.test.ts', 'labs/cluster/**/*.lab.test.ts', 'labs/hello/hello.lab.test.ts']
const patience = { testTimeout: 180_000, hookTimeout: 300_000 }

// unit: pure and fast · guests, lab: real guests; real kernels, peers and namespaces.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['**/*.lab.test.ts'],
          testTimeout: 20_000,
        },
      },
      { test: { name: 'guests', include: guests, maxWorkers: 2, ...patience } },
      {
        test: {
          name: 'lab',
          include: ['src/**/*.lab.test.ts', 'labs/**/*.lab.test.ts'],
          exclude: guests,
          fileParallelism: false,
          ...patience,
        },
      },
    ],
  },
})
