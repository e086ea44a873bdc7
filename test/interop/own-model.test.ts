/** docs/own-model.md, run as it stands: every block, in order, in the checkout's folder, where it makes build/own-model. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ROOT } from '../support/data.ts';
import { blocksOf, writeBlock } from '../support/page.ts';
import { execute, unreachable } from './venv.ts';

// What was made stays to be looked at, but for gigabytes of PyTorch.
afterAll(() => rmSync(join(ROOT, 'build/own-model/venv'), { recursive: true, force: true }));

test('every block of docs/own-model.md runs as written, and ends in the right answers', { timeout: 1_800_000 }, async ({ skip }) => {
  const blocks = blocksOf(readFileSync(join(ROOT, 'docs/own-model.md'), 'utf8'));
  expect(blocks.map(({ language }) => language)).toEqual(['sh', 'python', 'sh', 'sh', 'sh', 'sh']);
  let last = '';
  let infer = '';
  for (const block of blocks) {
    if (block.file !== null) {
      writeBlock(ROOT, block);
      continue;
    }
    expect(block.language).toBe('sh');
    const start = performance.now();
    const { code, output } = await execute('bash', ['-e', '-c', block.text], { cwd: ROOT });
    console.log(`${block.text.split('\n')[0]} …: ${((performance.now() - start) / 1000).toFixed(0)} s\n${output}`);
    const why = unreachable(output);
    if (code !== 0 && why !== null) return skip(`PyPI cannot be reached (${why})`);
    expect(code, output).toBe(0);
    if (block.text.includes('fabriclens infer')) infer = output;
    last = output;
  }
  // What is on the screen is what was drawn, by every engine.
  const asked = await execute('npx', ['fabriclens', 'infer', 'build/own-model/images', '--models', 'build/own-model/models', '--json'], { cwd: ROOT });
  const lines = asked.output.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as { type: string; file?: string; runs?: { engine?: string; identity?: { engine: string }; state: string; logits: number[] }[] });
  const results = lines.filter(({ type }) => type === 'result');
  expect(results.length).toBe(4);
  expect(infer).toContain('disc');
  for (const { file, runs } of results) {
    const wanted = file!.includes('disc-') ? 0 : 1;
    expect(runs!.map(({ state }) => state)).toEqual(['ok', 'ok', 'ok']);
    for (const { logits } of runs!) expect(logits.indexOf(Math.max(...logits)), file).toBe(wanted);
  }
  // The exported project's scores are the board's.
  const scores = last.trim().split('\n').at(-1)!.trim().split(/\s+/).map(Number);
  const board = results.find(({ file }) => file!.includes('disc-0'))!.runs!.at(-1)!;
  expect(scores.length).toBe(2);
  scores.forEach((score, i) => expect(score).toBeCloseTo(board.logits[i]!, 4));
});
