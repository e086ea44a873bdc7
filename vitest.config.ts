import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'renderer/**/*.test.ts', 'models/**/*.test.ts', 'hls/**/*.test.ts', 'agent/**/*.test.ts', 'scripts/**/*.test.ts', 'test/bench/**/*.test.ts', 'test/soak/**/*.test.ts', 'test/networks/**/*.test.ts', 'test/conformance/**/*.test.ts', 'test/gates/**/*.test.ts', 'test/integration/**/*.test.ts'],
    setupFiles: ['scripts/lib/hang-watch.mjs'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // Two cores: more workers only make native builds and children wait on one another.
    maxWorkers: 2,
  },
});
