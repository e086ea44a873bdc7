import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PartTiming } from '../../src/contract/engine.ts';
import { comparison, failed, run } from '../testing/samples.ts';
import { agreementOf, columnsOf, commonRepeats, decisionOf, deltaOf, partsOf, referenceOf, roundUp, sourcesOfPart, waterfall } from './verdict.ts';

const part = (name: PartTiming['part'], p50: number, source: PartTiming['source'] = 'host'): PartTiming => ({ part: name, source, p50, p95: p50 * 2 });

describe('agreement', () => {
  test('flips outweigh all; failures are not agreement', () => {
    expect(agreementOf(comparison([run('cpu-fp32', 0.4), run('board', 0.6)], { flips: ['board'] }))).toBe('flip');
    expect(agreementOf(comparison([run('cpu-fp32', 0.4), run('board', 0.41)]))).toBe('agree');
    expect(agreementOf(comparison([run('cpu-fp32', 0.4), run('cpu-int8', 0.41), failed('board')]))).toBe('agreePartly');
    const within = comparison([run('cpu-fp32', 0.6), run('board', 0.62)], { maxDelta: 0.02, tolerance: 0.02 });
    expect(agreementOf(within)).toBe('agree');
    expect(agreementOf({ ...within, maxDelta: 0.021 })).toBe('apart');
    expect(agreementOf({ ...within, maxDelta: 0.021, flips: ['board'] })).toBe('flip');
    expect(agreementOf(comparison([run('cpu-fp32', 0.4), failed('board')]))).toBe('single');
    expect(agreementOf(comparison([failed('cpu-fp32'), failed('board')]))).toBe('none');
    expect(agreementOf(comparison([failed('cpu-fp32'), run('cpu-int8', 0.4), run('board', 0.9)]))).toBe('noReference');
  });
});

describe('decision', () => {
  const threshold = { classIndex: 1, value: 0.5 };
  test('at the threshold is above it', () => expect(decisionOf(run('board', 0.5), threshold, 2)).toEqual({ positive: true, classIndex: 1 }));
  test('below it two classes leave the other one', () => expect(decisionOf(run('board', 0.49), threshold, 2)).toEqual({ positive: false, classIndex: 0 }));
  test('below it more classes leave none', () => expect(decisionOf(run('board', 0.2), threshold, 5)).toEqual({ positive: false, classIndex: null }));
});

test('differences are against the first engine, or there are none', () => {
  const runs = [run('cpu-fp32', 0.25), failed('cpu-int8'), run('board', 0.75)];
  const reference = referenceOf(runs)!;
  expect(reference.identity.engine).toBe('cpu-fp32');
  expect(deltaOf(runs[2] as ReturnType<typeof run>, reference, 1)).toBe(0.5);
  expect(referenceOf([failed('cpu-fp32'), run('board', 0.75)])).toBeNull();
});

test('a number of runs is told for all engines only where all have it', () => {
  expect(commonRepeats([run('cpu-fp32', 1, { repeats: 5 }), failed('board')])).toBe(5);
  expect(commonRepeats([run('cpu-fp32', 1, { repeats: 60 }), run('board', 1, { repeats: 51 })])).toBeNull();
});

test('an engine that has not answered keeps its column', () => {
  const answer = run('cpu-fp32', 1);
  expect(columnsOf(['cpu-fp32', 'board'], [answer])).toEqual([{ engine: 'cpu-fp32', run: answer }, { engine: 'board', run: null }]);
});

describe('waterfall', () => {
  test('parts lie end to end on an axis that ends on a round number', () => {
    const { rows, axisMs, ticks } = waterfall([run('cpu-fp32', 1, { timings: [part('decode', 10), part('engine', 20)], total: { p50: 30, p95: 60 } }), failed('board')]);
    expect(axisMs).toBe(60);
    expect(ticks).toEqual([0, 20, 40, 60]);
    expect(rows).toHaveLength(1);
    expect(rows[0]!.segments.map(({ start, width }) => [start * axisMs, width * axisMs])).toEqual([[0, 10], [10, 20]]);
    expect(rows[0]!.p95End).toBe(1);
  });

  test('nothing reaches beyond the axis', () => {
    fc.assert(fc.property(fc.array(fc.double({ min: 0, max: 5000, noNaN: true }), { minLength: 1, maxLength: 8 }), fc.double({ min: 0, max: 20000, noNaN: true }), (times, p95) => {
      const { rows } = waterfall([run('board', 1, { timings: times.map((ms) => part('pl', ms)), total: { p50: 0, p95 } })]);
      const { segments, p95End } = rows[0]!;
      const last = segments.at(-1)!;
      expect(last.start + last.width).toBeLessThanOrEqual(1 + 1e-9);
      expect(p95End).toBeLessThanOrEqual(1 + 1e-9);
    }));
  });

  test('round numbers', () => expect([0, 5e-324, 0.3, 1, 1.2, 3, 70, 5001].map(roundUp)).toEqual([1, 1, 0.5, 1, 2, 5, 100, 10000]));
});

test('parts in the order of the contract, with the sources of all engines', () => {
  const runs = [run('cpu-fp32', 1, { timings: [part('post', 1), part('decode', 1)] }), run('board', 1, { timings: [part('pl', 1, 'rtl'), part('decode', 1, 'measured')] })];
  expect(partsOf(runs, ['decode', 'preprocess', 'pl', 'post'])).toEqual(['decode', 'pl', 'post']);
  expect(sourcesOfPart(runs, 'decode')).toEqual(['host', 'measured']);
});
