/** The networks of the compiler's bench: those of test/networks and the classifier that comes with FabricLens. */
import { readFileSync } from 'node:fs';
import { readOnnx } from '../../../src/compiler/onnx.ts';
import type { Exported } from '../../networks/index.ts';
import { NETWORKS } from '../../networks/index.ts';

/** Written into a network's folder, step by step. */
export const FILES = { exported: 'model.onnx', canonical: 'canonical.onnx', int8: 'int8.onnx', program: 'program.bin' } as const;

export const BENCHED: readonly Exported[] = [
  { id: 'pneumonia', name: 'pneumonia classifier', form: 'traced, opset 17, as shipped', task: 'classification', range: 'normalised', make: () => readOnnx(readFileSync('models/pneumonia/model.onnx')) },
  ...NETWORKS,
];
