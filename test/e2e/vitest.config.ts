import { defineConfig } from 'vitest/config';

/** The real window, one at a time: they share a screen and two cores. `npm test -- --only e2e` sets up what they need. */
export default defineConfig({
  test: {
    include: ['test/e2e/**/*.spec.ts'],
    fileParallelism: false,
    maxWorkers: 1,
    setupFiles: ['scripts/lib/hang-watch.mjs'],
    // A launch may have to be made again (launch.ts).
    testTimeout: 180_000,
    hookTimeout: 300_000,
  },
});
