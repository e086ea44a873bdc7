/** The compiler's bench: what it counts, what it holds figures against, and the page that stands for what it recorded. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LayerReport } from '../../../src/compiler/compile.ts';
import { ROOT } from '../../support/data.ts';
import { Agreement } from './agreement.ts';
import { verdicts } from './aims.ts';
import type { CompilerResult } from './measure.ts';
import { BENCHED } from './networks.ts';
import type { RecordedNetwork } from './record.ts';
import { networksPage, PAGE, RECORD } from './record.ts';
import { sharesOf } from './shares.ts';

describe('what was recorded', () => {
  const recorded = JSON.parse(readFileSync(join(ROOT, RECORD), 'utf8')) as RecordedNetwork[];

  it('is what the page says', () => {
    expect(existsSync(join(ROOT, PAGE))).toBe(true);
    expect(readFileSync(join(ROOT, PAGE), 'utf8')).toBe(networksPage(recorded));
  });

  it('is of every network, and meets what no other computer would change', () => {
    expect(recorded.map(({ id }) => id)).toEqual(BENCHED.map(({ id }) => id));
    for (const network of recorded) {
      expect(network.plConvMacs, network.id).toBe(network.convMacs);
      expect(network.offCore, network.id).toEqual([]);
      expect(network.arenaBytes, network.id).toBeLessThan(24e6);
    }
  });
});

describe('figures', () => {
  const layer = (operator: string, target: 'PL' | 'PS', macs: number, more: Partial<LayerReport> = {}): LayerReport => ({
    name: operator, operator, tensor: null, input: [1, 1, 1], output: [8, 4, 4], macs, target, float: false, reason: '', descriptor: 0, count: 1, weightBytes: 0, activationBytes: 0, ...more,
  });

  it('the core is given what it computes and what addresses do', () => {
    const layers = [layer('Conv + Relu', 'PL', 90), layer('Conv', 'PS', 5), layer('Concat', 'PL', 0, { descriptor: null }), layer('MaxPool', 'PS', 0), layer('Gemm', 'PL', 5), layer('Concat', 'PS', 0, { float: true, output: [1, 25_200, 85] }), layer('Resize', 'PS', 0, { float: true, output: [1, 8, 4, 4] })];
    expect(sharesOf(layers)).toEqual({ plMacs: 95, convMacs: 95, plConvMacs: 90, offCore: ["MaxPool 'MaxPool'", "Resize 'Resize'"], floatOperators: 2 });
  });

  it('classes agree where the highest score is the same', () => {
    const agreement = new Agreement('classification');
    agreement.add(Float32Array.of(1, 3, 2), Float32Array.of(1, 3, 2), Float32Array.of(1, 2.5, 2));
    agreement.add(Float32Array.of(1, 3, 2), Float32Array.of(1, 3, 2), Float32Array.of(3, 1, 2));
    expect(agreement.agreed()).toMatchObject({ images: 2, sqnrInt8: 200, labels: 0.5, distinctLabels: 1, meanPixels: null });
    expect(agreement.agreed().sqnrGolden).toBeCloseTo(10 * Math.log10(28 / 8.25), 6);
  });

  it("a detector's scores and boxes are held apart", () => {
    const row = (x: number, objectness: number, label: number): number[] => [x, 0, 0, 0, objectness, ...Array.from({ length: 80 }, (_, i) => (i === label ? 1 : 0))];
    const agreement = new Agreement('detection');
    const [a, b] = [Float32Array.from([...row(10, 0.5, 3), ...row(20, 0.9, 4)]), Float32Array.from([...row(14, 0.5, 3), ...row(20, 0.9, 5)])];
    agreement.add(a, a, b);
    expect(agreement.agreed()).toMatchObject({ sqnrInt8: 200, labels: 0.5, distinctLabels: 2, meanPixels: 0.5 });
  });

  it('aims say whether they are met', () => {
    const timed = (seconds: number, peakBytes: number): CompilerResult['import'] => ({ seconds, cpuSeconds: seconds, peakBytes });
    const result: CompilerResult = {
      id: 'yolov5s-640', name: 'YOLOv5s', form: '', task: 'detection', input: [1, 3, 640, 640], onnxBytes: 1, macs: 100, plMacs: 100, convMacs: 100, plConvMacs: 99, offCore: ["Resize 'up'"], floatOperators: 1,
      arenaBytes: 25e6, contiguousBytes: 0, floatArenaBytes: 0, programBytes: 1, import: timed(1, 1e9), quantise: timed(60, 2.5e9), compile: timed(2, 1e9), loadSeconds: 0, schedule: { seconds: 3, cycles: 1 }, calibrationSamples: 2,
      method: 'minmax', images: 2, sqnrInt8: 20, sqnrGolden: 20, sqnrGoldenInt8: 30, meanPixels: 1, labels: 1, distinctLabels: 4,
    };
    expect(verdicts(result).map(({ text, met }) => `${met ? '+' : '-'} ${text}`)).toEqual([
      '+ seconds by the clock, calibration apart: 6.0 s (aim ≤ 15 s), met',
      '- arena: 25.00 MB (aim ≤ 24 MB), missed',
      '- convolutions on the PL: 99.00 % (aim ≥ 100 %), missed',
      "- SPPF, upsampling, concatenation on the PL: not Resize 'up', missed",
      '+ peak memory, calibration apart: 1000 MB (aim ≤ 2000 MB), met',
      '- peak memory of calibration: 2500 MB (aim ≤ 2000 MB), missed',
    ]);
  });
});
