/**
 * hls4ml itself, from PyPI: a small QONNX network converted, its HLS project compiled with g++, then again with each convolution computed by a call of
 * hls/core's run_layer in place of nnet::conv_2d_cl (fabriclens_conv.h). With scales that are powers of two both equal an integer reference on
 * every value, ties and saturation included.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../support/data.ts';
import { environment, execute } from './venv.ts';

type Result = { hls4ml: string; replaced: number; values: number; distinct: number; ties: number; beyond: number; differ: { hls4ml: number; fabriclens: number; faulty: number }; between: number };

test('a network of hls4ml gives the same with our core in place of its convolutions', { timeout: 900_000 }, async ({ skip }) => {
  const venv = await environment('hls4ml.txt');
  if ('unreachable' in venv) return skip(`PyPI cannot be reached (${venv.unreachable})`);
  const work = join(ROOT, '.cache/interop-hls4ml');
  mkdirSync(work, { recursive: true });
  const { code, output } = await execute(join(venv.folder, 'bin/python'), [join(import.meta.dirname, 'replace_convolution.py'), join(work, 'projects'), join(ROOT, 'hls'), import.meta.dirname], { cwd: work });
  expect(code, output).toBe(0);
  const result = JSON.parse(output.trimEnd().split('\n').at(-1)!) as Result;
  console.log(`hls4ml ${result.hls4ml}: ${result.replaced} convolutions replaced, ${result.values} values compared (${result.distinct} distinct), ${result.ties} ties, ${result.beyond} saturated on the way`);
  expect(result.replaced).toBe(3);
  expect(result.differ).toMatchObject({ hls4ml: 0, fabriclens: 0 });
  expect(result.between).toBe(0);
  // The comparison can fail, and meets what it is about.
  expect(result.differ.faulty).toBeGreaterThan(0);
  expect(result.ties).toBeGreaterThan(100);
  expect(result.beyond).toBeGreaterThan(100);
  expect(result.distinct).toBeGreaterThan(100);
});
