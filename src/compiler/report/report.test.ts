import { describe, expect, it } from 'vitest';
import type { CoreEstimate } from '../../contract/oip.ts';
import { AdviceCode, type AddModelReport } from '../../contract/report.ts';
import type { CompileReport, LayerReport } from '../compile.ts';
import { adviceOf, coreOf, rooflineOf, rowsOf, totalsOf } from './index.ts';

const layer = (name: string, descriptor: number | null, more: Partial<LayerReport> = {}): LayerReport => ({
  name, operator: 'Conv', tensor: `${name}/codes`, input: [8, 4, 4], output: [8, 4, 4], macs: 0, target: 'PL', float: false, reason: '', descriptor, count: descriptor === null ? 0 : 1,
  weightBytes: 100, activationBytes: 256, ...more,
});
const compiled: CompileReport = {
  layers: [
    layer('wide', 0, { macs: 384_000 }), layer('add', 0, { operator: 'Add', weightBytes: 0 }), layer('view', null, { operator: 'Concat', weightBytes: 0, activationBytes: 0 }),
    layer('thin', 1, { macs: 3_840 }), layer('soft', 2, { operator: 'Softmax', target: 'PS', float: true, reason: 'it divides', tensor: null, count: 2 }),
  ],
  macs: 387_840, arenaBytes: 1024, floatArenaBytes: 64, contiguousBytes: 41e6, programBytes: 2048, notes: [],
};
const of = (name: string, target: 'PL' | 'PS', cycles: number | null, bytes: number | null): CoreEstimate['layers'][number] => ({ name, op: 'conv', target, macs: 0, cycles, bytes_weights: bytes, bytes_read: bytes, bytes_written: bytes, refusal: target === 'PS' ? 'the core computes in int8' : null });
const estimate: CoreEstimate = {
  clock_khz: 100_000, bytes_per_second: 1e9, latency_ns: 400, macs_per_cycle: 384, cycles: 2000, bytes_read: 0, bytes_written: 0,
  layers: [of('wide + add', 'PL', 1250, 300), of('thin', 'PL', 750, 2000), of('soft', 'PS', null, null), of('soft', 'PS', null, null)],
};
const core = coreOf(estimate, false);
const quality = new Map([['wide/codes', { name: 'relu', operator: '', tensor: 't', scale: 1, zeroPoint: 0, sqnr: 12, ownSqnr: 20, saturation: 0.02 }]]);
const rows = rowsOf(compiled, estimate, quality, core);

describe('a report', () => {
  it('has a row a layer; a pass has its cycles, bytes and use in its first', () => {
    expect(rows.map(({ name, target, within, cycles, bytes, utilisation, ms }) => [name, target, within, cycles, bytes, utilisation, ms])).toEqual([
      ['wide', 'PL', null, 1250, 900, 0.8, 0.0125],
      ['add', 'PL', 'wide', null, 0, null, null],
      ['view', 'address', null, null, 0, null, null],
      ['thin', 'PL', null, 750, 6000, 3840 / 384 / 750, 0.0075],
      ['soft', 'PS', null, null, 356, null, null],
    ]);
    expect(rows[0]).toMatchObject({ sqnr: 12, ownSqnr: 20, saturation: 0.02, reason: null, arithmetic: 'int8' });
    expect(rows[4]).toMatchObject({ reason: 'it divides', arithmetic: 'fp32', sqnr: null });
  });

  it('sums them, and says what is above each point of the roofline', () => {
    expect(totalsOf(rows, compiled, estimate, core)).toMatchObject({ layers: { PL: 3, PS: 1, address: 1 }, macs: 387_840, macsOnPl: 387_840, bytes: 6900, cycles: 2000, ms: 0.02, utilisation: 387_840 / 384 / 2000 });
    const { ridge, bytesPerCycle, points } = rooflineOf(rows, core);
    expect([ridge, bytesPerCycle]).toEqual([38.4, 10]);
    expect(points.map(({ name, bound, share }) => [name, bound, share])).toEqual([['wide', 'compute', 0.625], ['thin', 'memory', 0.375]]);
  });

  it('without an estimate has no cycles, and each byte once', () => {
    const blind = rowsOf(compiled, null, new Map(), coreOf(null, false));
    expect(blind.map(({ cycles }) => cycles)).toEqual([null, null, null, null, null]);
    expect(blind[0]?.bytes).toBe(356);
    expect(totalsOf(blind, compiled, null, core)).toMatchObject({ cycles: null, ms: null, utilisation: null });
    expect(rooflineOf(blind, core).points).toEqual([]);
  });

  it('advises what would help, with the values of its sentence', () => {
    const totals = totalsOf(rows, compiled, estimate, core);
    const quantisation: AddModelReport['quantisation'] = { by: 'here', samples: 4, heldOut: 4, heldOutUnseen: false, chosen: null, tried: [], outputs: [], worst: ['wide'] };
    const proof: AddModelReport['proof'] = { rule: { state: 'not-run', why: '' }, labelAgreement: 0.9, maxDelta: 0.1, runtimeLevels: { maxDifference: 0, sqnr: null }, golden: { state: 'not-run', why: '' } };
    const findings = { layers: rows, totals, roofline: rooflineOf(rows, core), quantisation, proof, contiguousBytes: 41e6 };
    const advice = adviceOf(findings);
    expect(advice.map(({ code }) => code)).toEqual(['labels-differ', 'large-arena', 'on-ps', 'memory-bound', 'worst-layer', 'saturated', 'few-samples']);
    expect(advice.find(({ code }) => code === 'on-ps')).toMatchObject({ message: '1 of the layers run on the processor (soft first: it divides), 0.0 % of the multiplications.', values: { layers: '1', first: 'soft' } });
    for (const { message } of advice) expect(message).not.toMatch(/\{\{|undefined|NaN/);
    const fine = adviceOf({ ...findings, layers: rows.filter((row) => row.target !== 'PS').map((row) => ({ ...row, sqnr: 40, saturation: 0 })), quantisation: { ...quantisation, samples: 100 }, proof: { ...proof, labelAgreement: 1 }, contiguousBytes: 1 });
    expect(fine.map(({ code }) => code)).toEqual(['memory-bound', 'all-on-pl']);
    // Far from fp32 by what was added up before it: keeping this one in fp32 would not help.
    expect(adviceOf({ ...findings, layers: rows.map((row) => ({ ...row, ownSqnr: row.ownSqnr === null ? null : 40 })) }).map(({ code }) => code)).not.toContain('worst-layer');
    expect(new Set([...advice, ...fine].map(({ code }) => code)).size).toBe(AdviceCode.options.length - 1);
  });
});
