/** The classifier that comes with FabricLens among the bench's networks: what its readers would wait for. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileProgram } from '../../../src/compiler/compile.ts';
import { ROOT } from '../../support/data.ts';
import type { LayerNote } from './builder.ts';
import { NETWORKS, type BenchNetwork, type Benched } from './networks.ts';

function shipped(): Benched {
  const { program, report } = compileProgram(readFileSync(join(ROOT, 'models/pneumonia/model.int8.onnx')));
  const layers: LayerNote[] = [];
  // A layer of the core is a row of the report, or several that one descriptor computes; what addresses alone do is none.
  for (const { name, operator, macs, output: [channels = 1, height = 1, width = 1], descriptor } of report.layers) {
    if (descriptor === null) continue;
    const before = layers[descriptor];
    const op = operator.startsWith('Conv') ? 'CONV' : operator.startsWith('Gemm') || operator.startsWith('MatMul') ? 'DENSE' : 'AVERAGE_POOL';
    layers[descriptor] = { name: before?.name ?? name, op: before?.op ?? op, macs: (before?.macs ?? 0) + macs, output: [height, width, channels] };
  }
  const [first] = report.layers;
  if (first === undefined) throw new Error('the shipped classifier has no layers');
  const [channels = 1, height = 1, width = 1] = first.input;
  return { name: 'pneumonia classifier', program, layers, macs: report.macs, input: [height, width, channels] };
}

export const BENCHED: readonly BenchNetwork<Benched>[] = [{ id: 'pneumonia', make: shipped }, ...NETWORKS];
