import { describe, expect, it } from 'vitest';
import { verdicts } from './aims.ts';
import { SETTINGS, type Measured, type NetworkResult } from './measure.ts';
import { printed } from './report.ts';

const [first] = SETTINGS;
const measured = (more: Partial<Measured> = {}): Measured => ({
  setting: first, source: 'rtl', cycles: 100_000, modelCycles: 100_000, ms: 1, bytesRead: 5000, bytesWritten: 1000, stallRead: 0, stallWrite: 0, difference: '', hostSeconds: 1,
  layers: [{ cycles: 100_000, modelCycles: 100_000 }], ...more,
});
const result = (more: Partial<NetworkResult> = {}): NetworkResult => ({
  id: 'resnet18', name: 'a network', macs: 384 * 95_000, layers: [{ name: '0 conv', op: 'CONV', macs: 384 * 95_000, output: [8, 8, 16] }],
  plan: [{ cycles: 100_000, weightBytes: 4000, readBytes: 1000, writtenBytes: 1000, commands: 3, tile: { rows: 4, columns: 8, blocks: 2 } }],
  goldenSeconds: 0.01, measured: [measured()], ...more,
});
const missed = (of: NetworkResult): string[] => verdicts(of).filter(({ met }) => !met).map(({ text }) => text);

describe('verdicts', () => {
  it('an aim that is met says by how much', () => {
    const all = verdicts(result());
    expect(all.every(({ met }) => met)).toBe(true);
    expect(all.map(({ text }) => text)).toContain('utilisation: 95.0 % (aim ≥ 90 %), met by 5.6 %');
    expect(all.map(({ text }) => text)).toContain('time at 100 MHz: 1.00 ms (aim ≤ 52.5 ms), met by 98.1 %');
  });

  it('one that is missed too', () => {
    expect(missed(result({ measured: [measured({ cycles: 110_000, modelCycles: 110_000, ms: 60 })] }))).toEqual(['utilisation: 86.4 % (aim ≥ 90 %), missed by 4.0 %', 'time at 100 MHz: 60.00 ms (aim ≤ 52.5 ms), missed by 14.3 %']);
  });

  it('a difference from the golden model comes first', () => {
    expect(missed(result({ measured: [measured({ difference: 'layer 0 differs' })] }))).toEqual(['NOT EQUAL to the golden model at 100 MHz: layer 0 differs']);
  });

  it('the cycle model may be 1 % off in a network, and 2 % or 64 cycles in a layer', () => {
    expect(missed(result({ measured: [measured({ modelCycles: 101_100 })] }))).toEqual([expect.stringContaining('cycle model beside RTL: 1.100 %')]);
    const layers = (cycles: number, modelCycles: number): NetworkResult => result({ measured: [measured({ layers: [{ cycles, modelCycles }] })] });
    expect(missed(layers(100, 160))).toEqual([]);
    expect(missed(layers(10_000, 10_199))).toEqual([]);
    expect(missed(layers(10_000, 9700))).toEqual([expect.stringContaining('worst layer beyond 64 cycles: 3.000 %')]);
  });

  it('a figure of the cycle model says that it is one', () => {
    expect(verdicts(result({ measured: [measured({ source: 'model' })] })).map(({ text }) => text)).toEqual([expect.stringContaining('utilisation (cycle model): '), expect.stringContaining('time at 100 MHz (cycle model): ')]);
  });

  it('depthwise layers are held against the array, and what memory allows is told', () => {
    const depthwise = result({ id: 'mobilenetv2', macs: 36_000, layers: [{ name: '0 depthwise', op: 'DEPTHWISE', macs: 36_000, output: [50, 80, 1] }], measured: [measured({ cycles: 1000, modelCycles: 1000, layers: [{ cycles: 1000, modelCycles: 1000 }] })] });
    expect(missed(depthwise)).toEqual(['depthwise layers together: 36.0 MAC a cycle (aim ≥ 48 MAC a cycle), missed by 25.0 %; memory allows 60.0']);
  });
});

it('the report has a row a setting and a row a layer', () => {
  const text = printed(result({ measured: [measured(), measured({ difference: 'layer 0' })] }));
  expect(text).toMatch(/^a network: 36\.48 MMAC, 1 layers; golden model 10\.0 ms$/m);
  expect(text).toMatch(/^100 +1\.0 +400 +100,000 +rtl +95,000 +95\.0 % +1\.00 .* yes +1\.0$/m);
  expect(text).toMatch(/ NO +1\.0$/m);
  expect(text).toMatch(/^0 conv +8x8x16 +36\.48 +100,000 +95,000 +95\.0 % +365 +100,000 +0\.01 +3 +4x8, 2 blocks$/m);
});
