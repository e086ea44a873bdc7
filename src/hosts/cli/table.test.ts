import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ClassificationComparison, ClassificationRun, Comparison, DetectionComparison, DetectionRun, RunOk } from '../../contract/engine.ts';
import { resultText, table, WIDTH, wrap } from './table.ts';

const run = (engine: RunOk['identity']['engine'], probabilities: number[]): ClassificationRun => ({
  state: 'ok', task: 'classification', engine, identity: { model: 'm', modelVersion: '1', modelSha256: '0'.repeat(64), engine, runner: 'r', software: 's' },
  repeats: 20, logits: probabilities, probabilities, classMaps: null,
  timings: [{ part: 'decode', source: 'host', p50: 5, p95: 5 }, engine === 'board' ? { part: 'pl', source: 'rtl', p50: 12.34, p95: 13 } : { part: 'engine', source: 'host', p50: 8.125, p95: 1234.5 }],
  total: { p50: 13.1, p95: 1239.5 },
});
const comparison = (more: Partial<ClassificationComparison> = {}): Comparison => ({
  task: 'classification', instanceId: 'x', frame: 0, model: 'pneumonia', warnings: [], threshold: { classIndex: 1, value: 0.5 }, flips: [], maxDelta: 0.01, tolerance: 0.03,
  runs: [run('cpu-fp32', [0.505, 0.495]), run('cpu-int8', [0.5, 0.5]), run('board', [0.495, 0.505])], ...more,
});
const show = (c: Comparison, path = 'study/im1.dcm', labels = ['NORMAL', 'PNEUMONIA']): string => resultText({ path, frames: 1, comparison: c, labels });

describe('resultText', () => {
  test('a row an engine: decision at the threshold, probabilities, difference, latency', () => {
    const text = show(comparison({ flips: ['cpu-int8', 'board'] }));
    expect(text).toMatch(/cpu-fp32 +NORMAL +0\.5050 +0\.4950 +13\.1 +1239\.5 +20\n/);
    expect(text).toMatch(/cpu-int8 +PNEUMONIA +0\.5000 +0\.5000 +\+0\.0050 /);
    expect(text).toContain('FLIP: cpu-int8, board decide otherwise than cpu-fp32 (largest |Δp| 0.0100, tolerance 0.03)');
    expect(text).toMatch(/pl +rtl +12\.3 +13\.0\n/);
    expect(text).toMatch(/engine +host +8\.13 +1234\.5 +8\.13 +1234\.5\n/);
  });

  test('agreement, disagreement without a flip, nothing to compare', () => {
    expect(show(comparison())).toContain('  agreement (largest');
    expect(show(comparison({ maxDelta: 0.2 }))).toContain('probabilities differ beyond the tolerance');
    expect(show(comparison({ maxDelta: null, runs: [run('cpu-fp32', [0.5, 0.5])] }))).not.toContain('Δp');
  });

  test('warnings and failures are told, and the rest is still there', () => {
    const text = show(comparison({ warnings: [{ code: 'colour-image', message: 'This is no radiograph.', values: {} }], runs: [run('cpu-fp32', [0.9, 0.1]), { state: 'failed', engine: 'board', code: 'board-unreachable', message: 'Board 10.0.0.1:1: nobody there; check the cable.' }] }));
    expect(text).toContain('! This is no radiograph.');
    expect(text).toContain('✗ board failed (board-unreachable): Board 10.0.0.1:1: nobody there; check the cable.');
    expect(text).toContain('cpu-fp32  NORMAL');
  });

  test('a run that moved says who was lost and who answered; its column is not the board\'s where a CPU computed it', () => {
    const moved = { from: 'board 10.0.0.1:8600', to: 'cpu-int8 on this computer (onnxruntime-node 1.30.0)', reason: 'Board 10.0.0.1:8600: closed the connection.' };
    const onCpu: ClassificationRun = { ...run('cpu-int8', [0.9, 0.1]), engine: 'board', moved };
    const text = show(comparison({ runs: [run('cpu-int8', [0.9, 0.1]), onCpu] })).replaceAll(/\n +/g, ' ');
    expect(text).toContain('! board moved: board 10.0.0.1:8600 was lost, cpu-int8 on this computer (onnxruntime-node 1.30.0) answered instead. Board 10.0.0.1:8600: closed the connection.');
    expect(text).toMatch(/board→cpu-int8 +NORMAL/);
    expect(text).toMatch(/latency, ms +source +cpu-int8 p50 +p95 +board→cpu-int8 p50 +p95/);
    const elsewhere = show(comparison({ runs: [run('cpu-int8', [0.9, 0.1]), { ...run('board', [0.9, 0.1]), moved: { ...moved, to: 'board 10.0.0.2:8600' } }] }));
    expect(elsewhere).toContain('board 10.0.0.2:8600');
    expect(elsewhere).not.toContain('→');
  });

  test('what a file or a board says cannot steer the terminal', () => {
    const odd = '\u001b]0;title\u0007\u001b[2J\u009b1A\r';
    const failed = { state: 'failed', engine: 'board', code: 'board-refused', message: `Board: ${odd}` } as const;
    const text = show(comparison({ warnings: [{ code: 'colour-image', message: `modality ${odd}`, values: {} }], runs: [run('cpu-fp32', [0.9, 0.1]), failed] }), `im${odd}.dcm`, [`N${odd}`, 'P']);
    expect(text).toContain('modality \ufffd]0;title');
    expect([...text].filter((c) => c !== '\n' && (c < ' ' || (c >= '\u007f' && c <= '\u009f')))).toEqual([]);
  });

  test('many classes show the thresholded and the likeliest', () => {
    const text = show(comparison({ runs: [run('cpu-fp32', [0.1, 0.2, 0.1, 0.6])] }), 'a', ['A', 'B', 'C', 'D']);
    expect(text).toMatch(/p\(B\) +p\(D\)/);
    expect(text).toContain('not B');
  });

  test('fits its width whatever the names', () => {
    const text = show(comparison({ warnings: [{ code: 'colour-image', message: 'word '.repeat(60).trim(), values: {} }], runs: [run('cpu-fp32', [0.2, 0.5, 0.3]), run('cpu-int8', [0.3, 0.5, 0.2]), run('board', [0.3, 0.5, 0.2])] }), `${'folder/'.repeat(30)}im.dcm`, ['A'.repeat(40), 'B'.repeat(40), 'C'.repeat(40)]);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(WIDTH);
  });
});

describe('detectors', () => {
  const boxes: Record<string, DetectionRun['boxes']> = {
    'cpu-fp32': [{ x: 10.25, y: 20, width: 30.5, height: 40, score: 0.91, label: 1 }],
    board: [{ x: 10, y: 20, width: 31, height: 40, score: 0.88, label: 1 }, { x: 0, y: 0, width: 5, height: 5, score: 0.3, label: 0 }],
  };
  const detected = (engine: RunOk['identity']['engine']): DetectionRun => {
    const { identity, repeats, timings, total } = run(engine, []);
    return { state: 'ok', task: 'detection', engine, identity, repeats, timings, total, boxes: boxes[engine] ?? [] };
  };
  const detection = (more: Partial<DetectionComparison> = {}): DetectionComparison => ({
    task: 'detection', instanceId: 'x', frame: 0, model: 'squares', warnings: [], flips: ['board'], maxDelta: 0.03, tolerance: 0.05,
    rule: { scoreThreshold: 0.25, iouThreshold: 0.45, maxDetections: 300, objectness: true, boxes: 'cxcywh-pixels' },
    runs: [detected('cpu-fp32'), detected('board')],
    groups: [{ label: 1, boxes: [{ engine: 'cpu-fp32', index: 0, iou: null }, { engine: 'board', index: 0, iou: 0.9 }] }, { label: 0, boxes: [{ engine: 'board', index: 1, iou: null }] }],
    agreements: [{ engine: 'board', matched: 1, missing: 0, extra: 1, maxDelta: 0.03, minIou: 0.9 }], ...more,
  });
  const labels = ['bar', 'square'];

  test('a row an engine, a row a thing found: scores, overlap, place in pixels', () => {
    const text = show(detection(), 'a.dcm', labels);
    expect(text).toMatch(/board +2 +13\.1 +1239\.5 +20\n/);
    expect(text).toMatch(/found +cpu-fp32 +board +IoU +x +y +width +height\n +square +0\.9100 +0\.8800 +0\.900 +10\.3 +20\.0 +30\.5 +40\.0\n +bar +– +0\.3000 +0\.0 +0\.0 +5\.0 +5\.0\n/);
    expect(text).toContain('FLIP: board lacks 0 and adds 1 against cpu-fp32; 1 matched (largest |Δ| 0.0300, least IoU 0.900)');
    expect(text).toContain('boxes: score from 0.25 on');
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(WIDTH);
  });

  test('of very many the surest', () => {
    const many = Array.from({ length: 60 }, (_, i) => ({ x: i, y: 0, width: 1, height: 1, score: 1 - i / 100, label: 0 }));
    const text = show(detection({ runs: [{ ...detected('cpu-fp32'), boxes: many }], groups: many.map((_, index) => ({ label: 0, boxes: [{ engine: 'cpu-fp32' as const, index, iou: null }] })), agreements: [] }), 'a', labels);
    expect(text.match(/^ +bar /gm)).toHaveLength(40);
    expect(text).toContain('… 20 more with lower scores; --json has them all');
  });

  test('agreement, and nothing found', () => {
    expect(show(detection({ flips: [], agreements: [{ engine: 'board', matched: 1, missing: 0, extra: 0, maxDelta: 0.06, minIou: 0.9 }], maxDelta: 0.06 }), 'a', labels)).toMatch(/agreement: board and cpu-fp32, 1 matched [^]*beyond the tolerance/);
    const nothing = show(detection({ runs: [{ ...detected('cpu-fp32'), boxes: [] }, { ...detected('board'), boxes: [] }], groups: [], flips: [], maxDelta: null, agreements: [{ engine: 'board', matched: 0, missing: 0, extra: 0, maxDelta: null, minIou: null }] }), 'a', labels);
    expect(nothing).toContain('nothing found above 0.25');
    expect(nothing).toContain('agreement: board finds nothing either');
  });
});

test('wrap loses no word and keeps to the width', () => {
  fc.assert(fc.property(fc.array(fc.stringMatching(/^[a-z]{1,20}$/), { minLength: 1 }), (words) => {
    const lines = wrap(words.join(' '), '  ');
    expect(lines.flatMap((l) => l.trim().split(/ +/))).toEqual(words);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(WIDTH);
  }));
});

test('table columns line up', () => {
  expect(table([['a', 'n'], ['longer', '10'], ['b', '7']], 1)).toEqual(['  a        n', '  longer  10', '  b        7']);
});
