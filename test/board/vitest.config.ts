import { defineConfig } from 'vitest/config';

/** On emulated boards: `npm run test:board` installs what they need first. Each file walks one way from beginning to end: where a step fails, what follows it says nothing. */
export default defineConfig({
  test: { include: ['test/board/**/*.test.ts'], globalSetup: 'test/board/make.ts', fileParallelism: false, maxWorkers: 1, bail: 1, testTimeout: 60 * 60_000, hookTimeout: 60 * 60_000, reporters: ['verbose'] },
});
