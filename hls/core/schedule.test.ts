/** What hls/core/schedule.h cuts, run by a plain interpreter of commands (hls/tests/interpreter.h) and held against the golden model. */
import { execFile } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { build } from '../build.mjs';
import { BUILD_TIMEOUT } from '../tests/golden.ts';

let driver: string;
let sanitized: string;
beforeAll(async () => {
  driver = await build('schedule-driver');
  sanitized = await build('schedule-driver-sanitized');
}, BUILD_TIMEOUT);

/** What it printed; the difference it found, where there is one, is on its last line. */
function run(file: string, ...args: string[]): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    execFile(file, args, { maxBuffer: 2 ** 24 }, (error, stdout, stderr) => resolve({ code: error === null ? 0 : 1, text: stdout + stderr }));
  });
}

describe('commands', () => {
  it('of random segments compute what their layers do, on arrays, buffers and rings of many sizes', async () => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const { code, text } = await run(driver, String(seed), '5000');
    console.log(`seeds from ${seed}: ${text}`);
    expect(code, text).toBe(0);
    const counts = JSON.parse(text) as Record<string, number>;
    expect(counts.layers).toBeGreaterThan(5000);
    for (const met of ['reduce', 'depthwise', 'maximum', 'uniform', 'folded', 'half', 'two sources', 'residual', 'new table', 'kept', 'reuse', 'joined rows', 'one tile', 'pooled',
      'cut by channels', 'cut by columns', 'waits for the one before', 'runs ahead', 'refused']) {
      expect(counts[met], met).toBeGreaterThan(20);
    }
  }, 60_000);

  it('are cut without a step outside their memory', async () => {
    const { code, text } = await run(sanitized, '1', '1000');
    expect(code, text).toBe(0);
  }, 60_000);

  it('of layers at the limits compute what these do, or are refused by the limit', async () => {
    const { code, text } = await run(driver, 'extremes');
    expect(code, text).toBe(0);
    expect(text.split('\n').filter((line) => line.includes(': equal, ')).length).toBe(48);
  }, 60_000);
});
