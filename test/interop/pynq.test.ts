/**
 * PYNQ's own source and overlays for the PYNQ-Z2, from its sdists on PyPI (oldest and newest image that the agent takes): the agent reads their bit and hwh files and
 * FCLK0's registers as `pynq` does.
 */
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { environment, execute, unreachable } from './venv.ts';

type Result = {
  bits: Record<string, { header: boolean; part: string; same: boolean; bytes: number }>;
  hwh: { refused: string; compared: number; same: boolean };
  fclk0: { frequencies: number; far: [number, number, number][] };
};

test.for(['2.7.0', '3.1.1'])('pynq %s', { timeout: 900_000 }, async (version, { skip }) => {
  const venv = await environment('pynq.txt');
  if ('unreachable' in venv) return skip(`PyPI cannot be reached (${venv.unreachable})`);
  const folder = join(venv.folder, `sdist-${version}`);
  if (!existsSync(folder)) {
    mkdirSync(`${folder}.part`, { recursive: true });
    // The sdist, not a wheel: overlays are in it alone.
    const got = await execute(join(venv.folder, 'bin/pip'), ['download', '--quiet', '--disable-pip-version-check', '--no-deps', '--no-binary', ':all:', '--no-build-isolation', '--dest', `${folder}.part`, `pynq==${version}`]);
    const why = got.code === 0 ? null : unreachable(got.output);
    if (why !== null) return skip(`PyPI cannot be reached (${why})`);
    expect(got.code, got.output).toBe(0);
    renameSync(`${folder}.part`, folder);
  }
  const { code, output } = await execute(join(venv.folder, 'bin/python'), ['-B', join(import.meta.dirname, 'pynq.py'), join(folder, readdirSync(folder)[0]!)]);
  expect(code, output).toBe(0);
  const { bits, hwh, fclk0 } = JSON.parse(output.trimEnd().split('\n').at(-1)!) as Result;
  expect(Object.keys(bits)).toEqual(['base', 'logictools']);
  for (const bit of Object.values(bits)) expect(bit).toEqual({ header: true, part: '7z020clg400', same: true, bytes: 4_045_564 });
  expect(hwh.refused).toContain('describes no fabriclens_core, but address_remap');
  expect(hwh.compared).toBeGreaterThan(10);
  expect(hwh.same).toBe(true);
  expect(fclk0).toEqual({ frequencies: 11, far: [] });
});
