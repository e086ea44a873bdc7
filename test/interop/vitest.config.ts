import { defineConfig } from 'vitest/config';

/** Against tools of others, from PyPI: `npm run test:interop` fetches them first. */
export default defineConfig({ test: { include: ['test/interop/**/*.test.ts'], fileParallelism: false, maxWorkers: 1, testTimeout: 300_000, hookTimeout: 900_000 } });
