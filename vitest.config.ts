import { defineConfig } from 'vitest/config'

// unit: pure and fast · contract: one suite per port, fake and real · lab: real kernels, guests and namespaces · long: labs of minutes,
// which `npm run lab:…` runs and `npm test` does not.
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
      {
        test: {
          name: 'lab',
          include: ['src/**/*.lab.test.ts', 'labs/**/*.lab.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'long',
          include: ['labs/**/*.long.test.ts'],
          testTimeout: 1_800_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
