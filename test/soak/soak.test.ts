/** `npm run soak` for 20 seconds. Time is no matter of pass or fail here: a hang is a minute of silence. */
import { expect, test } from 'vitest';
import { soak, violated } from './run.ts';

test('many clients, broken requests, a failing bus and kills: every answer is right, or there is a reason', { timeout: 600_000 }, async () => {
  const lines: string[] = [];
  const { stands, violations } = await soak({ seconds: 20, clients: 24, killEvery: 5, hangMs: 60_000, seed: 7, say: (line) => lines.push(line) });
  expect(violations).toEqual([]);
  for (const { kills, counts } of stands) {
    expect(violated(counts)).toBe(0);
    expect(kills).toBeGreaterThan(0);
    for (const name of ['right', 'left', 'malformed refused', 'looked'] as const) expect(counts[name], `${name}\n${lines.join('\n')}`).toBeGreaterThan(0);
  }
});
