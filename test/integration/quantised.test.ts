/** `fabriclens compile` of a network that comes quantised, in another tool's spelling: its own scales in the package, and a report that says so. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OnnxModel } from '../../src/compiler/onnx.ts';
import { readOnnx } from '../../src/compiler/onnx.ts';
import { ModelMetadata } from '../../src/contract/model.ts';
import { AddModelReport } from '../../src/contract/report.ts';
import { loadPackage } from '../../src/review/index.ts';
import { classifier } from '../support/classifier.ts';
import { ROOT } from '../support/data.ts';
import { styled, written } from '../support/quantised.ts';
import { execute } from '../interop/venv.ts';

const SAMPLES = join(ROOT, 'models/samples/chest-synthetic');
let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'fabriclens-quantised-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Codes and scales of each layer's weights, and scales and zero points of activations. */
function numbersOf({ nodes, initializers }: OnnxModel): { weights: [string, number[][]][]; activations: string[] } {
  const of = (name: string | undefined): number[] => Array.from((initializers.get(name ?? '')?.data ?? []) as ArrayLike<number>, Number);
  const makers = new Map(nodes.map((n) => [n.outputs[0], n]));
  return {
    weights: nodes.filter((n) => n.opType === 'Conv' || n.opType === 'Gemm').map((n): [string, number[][]] => [n.name, (makers.get(n.inputs[1])?.inputs ?? []).slice(0, 2).map(of)]).sort(([a], [b]) => (a < b ? -1 : 1)),
    activations: [...new Set(nodes.filter((n) => n.opType === 'QuantizeLinear').map((n) => `${of(n.inputs[1]).join()} ${of(n.inputs[2]).join()}`))].sort(),
  };
}

describe('compile', () => {
  test('the shipped network as uint8 QOperators: the shipped codes and scales, proven', async () => {
    const shipped = readOnnx(readFileSync(join(ROOT, 'models/pneumonia/model.int8.onnx')));
    const style = { unsigned: true, weights: 'quantised', bias: 'int32', contrib: false, dedicated: false, redundant: true, operators: true, opset: 19 } as const;
    writeFileSync(join(folder, 'foreign.onnx'), written(styled(shipped, style)));
    const out = join(folder, 'chest');
    // A threshold goes with the model.onnx that it was chosen on.
    const { fabriclens, ...rest } = ModelMetadata.parse(JSON.parse(readFileSync(join(ROOT, 'models/pneumonia/metadata.json'), 'utf8')));
    writeFileSync(join(folder, 'given.json'), JSON.stringify({ ...rest, fabriclens: { ...classifier(fabriclens), threshold: undefined } }));
    const { code, output } = await execute(process.execPath, [join(ROOT, 'scripts/fabriclens.mjs'), 'compile', join(folder, 'foreign.onnx'), '--calibrate', SAMPLES, '--out', out, '--metadata', join(folder, 'given.json')], { cwd: folder });
    expect([code, code === 0 ? '' : output]).toEqual([0, '']);
    const report = AddModelReport.parse(JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')));
    expect(report.quantisation.by).toBe('imported');
    expect(report.proof.rule).toMatchObject({ state: 'kept' });
    expect((await loadPackage(out)).faults).toEqual([]);
    expect(numbersOf(readOnnx(readFileSync(join(out, 'model.int8.onnx'))))).toEqual(numbersOf(shipped));
  }, 300_000);
});
