import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { timings } from './board.ts';

const ns = (source: string, queue: number, pl: number, ps: number, total: number): Record<string, string | number> => ({
  timing_source: source, timing_queue_ns: queue * 1e6, timing_pl_ns: pl * 1e6, timing_ps_ns: ps * 1e6, timing_total_ns: total * 1e6,
});
const shown = (parts: ReturnType<typeof timings>): string[] => parts.map(({ part, source, ms }) => `${part} ${source} ${ms}`);

describe('where a round trip went', () => {
  test('wall-clock times leave the rest to transfer, so that the parts add up to what was waited for', () => {
    expect(shown(timings({ parameters: ns('measured', 1, 10, 2, 14), roundTripMs: 20 }))).toEqual(['transfer host 7', 'queue measured 1', 'pl measured 10', 'ps measured 2']);
    const time = fc.integer({ min: 0, max: 1000 });
    fc.assert(fc.property(fc.constantFrom('measured', 'host'), time, time, time, time, (source, queue, pl, ps, rest) => {
      const parts = timings({ parameters: ns(source, queue, pl, ps, queue + pl + ps), roundTripMs: queue + pl + ps + rest });
      expect(parts.reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(queue + pl + ps + rest, 6);
    }));
  });

  test("simulated cycles are not of this round trip: the server's total is taken off instead", () => {
    expect(shown(timings({ parameters: ns('rtl', 1, 30, 2, 4000), roundTripMs: 4003 }))).toEqual(['transfer host 3', 'queue host 1', 'pl rtl 30', 'ps rtl 2']);
  });

  test('a server that tells nothing, or nonsense, leaves everything to transfer', () => {
    for (const parameters of [{}, { timing_pl_ns: 5e6 }, { timing_source: 'guess', timing_pl_ns: 5e6 }, { timing_source: 'host', timing_pl_ns: -1, timing_ps_ns: 'x' }]) {
      expect(shown(timings({ parameters, roundTripMs: 9 }))).toEqual(['transfer host 9']);
    }
  });

  test('never negative, whatever the clocks say', () => {
    expect(timings({ parameters: ns('measured', 0, 50, 0, 50), roundTripMs: 10 })[0]).toEqual({ part: 'transfer', source: 'host', ms: 0 });
  });
});
