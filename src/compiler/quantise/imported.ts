/** A network that comes quantised (src/compiler/quantised), with what its quantisation costs measured on samples. Its scales are its own. */
import { CompileError } from '../error.ts';
import { readOnnx, type OnnxModel } from '../onnx.ts';
import { writeOnnx } from '../onnx-write.ts';
import { calibratedQdq } from '../quantised/calibrate.ts';
import { floatForm } from '../quantised/index.ts';
import { withoutFinalActivation } from './describe.ts';
import { compareOutputs, split, type LayerQuality, type QuantisationReport } from './index.ts';
import { compareTensors, Network, type Hooks } from './measure.ts';
import type { Quantisation } from './qdq.ts';
import type { Range } from './statistics.ts';

export type Imported = {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly model: OnnxModel;
  readonly input: Quantisation;
  readonly report: Omit<QuantisationReport, 'chosen'>;
  readonly notes: readonly string[];
};

/** In fp32, its end cut off where that makes probabilities: what must be known before samples can be read. */
export function floatOf(exported: OnnxModel): { model: OnnxModel; activation: 'softmax' | 'sigmoid' | null; notes: readonly string[] } {
  const { float, notes } = floatForm(exported);
  const cut = withoutFinalActivation(float);
  return { ...cut, notes: [...notes, ...cut.notes] };
}

/** Codes of each tensor that is dequantised, under its name in both networks. */
function quantisationOf({ nodes, initializers }: OnnxModel, { nodes: inFloat }: OnnxModel): Map<string, Quantisation> {
  const known = new Set(inFloat.flatMap((n) => n.outputs));
  const number = (name: string | undefined): number => Number(initializers.get(name ?? '')?.data[0] ?? 0);
  return new Map(nodes.flatMap(({ opType, inputs, outputs: [name = ''] }) =>
    (opType === 'DequantizeLinear' && !initializers.has(inputs[0] ?? '') && known.has(name) ? [[name, { scale: number(inputs[1]), zeroPoint: number(inputs[2]) }] as const] : [])));
}

/**
 * @param float of floatOf
 * @param samples inputs as the network takes them: for what the export left unquantised, and for measuring
 * @throws CompileError naming what cannot be held; the signal's reason when cancelled
 */
export async function imported(exported: OnnxModel, float: OnnxModel, samples: readonly Float32Array[], hooks: Hooks & { readonly inputRange?: Range | undefined } = {}): Promise<Imported> {
  const { seen, heldOut } = split(samples);
  const made = await calibratedQdq(exported, seen, hooks);
  const cut = withoutFinalActivation(made.model);
  const names = (model: OnnxModel): string => model.outputs.map((o) => o.name).join(', ');
  if (names(cut.model) !== names(float) || (cut.activation === null) !== (withoutFinalActivation(made.float).activation === null)) {
    throw new CompileError('The network ends in a Softmax or Sigmoid that is quantised too; export it without, so that it gives class scores.');
  }
  const bytes = cut.activation === null ? made.bytes : writeOnnx(cut.model);
  const [fp32, int8] = [new Network(float), new Network(cut.model, bytes)];
  const outputs = compareOutputs(await fp32.outputs(heldOut, 'all', hooks.signal), await int8.outputs(heldOut, 'all', hooks.signal));
  const quantisation = quantisationOf(cut.model, float);
  const producers = new Map(float.nodes.flatMap((n) => n.outputs.map((name) => [name, n] as const)));
  const layers = [...(await compareTensors(fp32, int8, quantisation, heldOut, hooks))].map(([tensor, measured]): LayerQuality => {
    const { name = tensor, opType = '' } = producers.get(tensor) ?? {};
    return { name, operator: opType, tensor, ...measured, ...(quantisation.get(tensor) as Quantisation) };
  });
  layers.sort((a, b) => (a.sqnr ?? 200) - (b.sqnr ?? 200));
  const report = { samples: samples.length, heldOut: heldOut.length, heldOutUnseen: true, tried: [], outputs, layers };
  return { bytes, model: readOnnx(bytes), input: made.input, report, notes: made.notes };
}
