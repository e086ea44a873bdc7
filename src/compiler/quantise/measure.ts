/** Runs networks in ONNX Runtime with their inner tensors as outputs, a group of at most 200 MB at a time, and keeps statistics of what comes. */
import { openSession, type OrtLevel, type OrtSession, type OrtTensor } from '../../engines/index.ts';
import { CompileError } from '../error.ts';
import type { OnnxModel, OnnxNode } from '../onnx.ts';
import { OnnxType } from '../onnx.ts';
import { writeOnnx } from '../onnx-write.ts';
import type { Quantisation } from './qdq.ts';
import { NoiseRatio, TensorStatistics } from './statistics.ts';

/** Inner tensors of one run. */
const GROUP_BYTES = 200e6;

export type Hooks = {
  readonly signal?: AbortSignal | undefined;
  /** `step` names the work, in English, for people. */
  readonly onProgress?: ((progress: { step: string; done: number; total: number }) => void) | undefined;
};

export type Shapes = ReadonlyMap<string, readonly number[]>;

async function open(model: Uint8Array, level: OrtLevel = 'all'): Promise<OrtSession> {
  try {
    return await openSession(model, level);
  } catch (error) {
    throw new CompileError(`ONNX Runtime cannot load the network: ${(error as Error).message}`);
  }
}

export class Network {
  readonly model: OnnxModel;
  readonly #bytes: Uint8Array | undefined;
  readonly #input: { name: string; dims: number[] };
  #shapes: Shapes | undefined;

  /** @param bytes of the very model, where they are at hand */
  constructor(model: OnnxModel, bytes?: Uint8Array) {
    this.model = model;
    this.#bytes = bytes;
    const { name = '', dims = [] } = model.inputs[0] ?? {};
    // A free batch dimension is run as 1.
    this.#input = { name, dims: dims.map((d, i) => (i === 0 && d === 0 ? 1 : d)) };
    if (this.#input.dims.some((d) => d < 1)) throw new CompileError(`Input '${name}' has the shape ${dims.map((d) => d || '?').join('×')}; all but the batch must be fixed. Export the model without dynamic axes.`);
  }

  get inputDims(): readonly number[] {
    return this.#input.dims;
  }

  get inputElements(): number {
    return this.#input.dims.reduce((product, d) => product * d, 1);
  }

  async #run(session: OrtSession, sample: Float32Array, outputs: readonly string[], signal: AbortSignal | undefined): Promise<Map<string, OrtTensor>> {
    // A run blocks this thread: let a cancellation be heard in between.
    await new Promise<void>((resume) => setImmediate(resume));
    signal?.throwIfAborted();
    try {
      return await session.run({ ...this.#input, data: sample }, outputs);
    } catch (error) {
      throw new CompileError(`ONNX Runtime cannot run the network: ${(error as Error).message}`);
    }
  }

  /** Shapes of all float tensors named, from one run in which Shape nodes tell them. */
  async shapes(tensors: readonly string[], sample: Float32Array, signal?: AbortSignal): Promise<Shapes> {
    if (this.#shapes !== undefined && tensors.every((name) => this.#shapes?.has(name))) return this.#shapes;
    const suffix = '/shape/of';
    const nodes = tensors.map((name): OnnxNode => ({ name: `${name}${suffix}`, opType: 'Shape', domain: '', inputs: [name], outputs: [`${name}${suffix}`], attributes: new Map() }));
    const outputs = tensors.map((name) => ({ name: `${name}${suffix}`, elementType: OnnxType.INT64, dims: [0] }));
    const session = await open(writeOnnx({ ...this.model, nodes: [...this.model.nodes, ...nodes], outputs }));
    try {
      const result = await this.#run(session, sample, outputs.map((o) => o.name), signal);
      this.#shapes = new Map(tensors.map((name) => [name, Array.from(result.get(`${name}${suffix}`)?.data ?? [], Number)]));
      return this.#shapes;
    } finally {
      await session.close();
    }
  }

  /** A session whose outputs are `tensors`. */
  async exposing(tensors: readonly string[], shapes: Shapes): Promise<(sample: Float32Array, signal?: AbortSignal) => Promise<Map<string, OrtTensor>>> {
    const inputs = new Set(this.model.inputs.map((i) => i.name));
    const made = tensors.filter((name) => !inputs.has(name));
    const outputs = made.map((name) => ({ name, elementType: OnnxType.FLOAT, dims: [...(shapes.get(name) ?? [])] }));
    const bytes = writeOnnx({ ...this.model, outputs });
    // With inner tensors as outputs, ONNX Runtime 1.30 fuses some quantised layers into a network that it then refuses.
    const session = made.length === 0 ? null : await open(bytes).catch(() => open(bytes, 'disabled'));
    this.#open.add(session);
    return async (sample, signal) => {
      const result = session === null ? new Map<string, OrtTensor>() : await this.#run(session, sample, made, signal);
      for (const name of tensors) if (inputs.has(name)) result.set(name, { data: sample, dims: this.#input.dims });
      return result;
    };
  }

  readonly #open = new Set<OrtSession | null>();

  async closeAll(): Promise<void> {
    for (const session of this.#open) await session?.close();
    this.#open.clear();
  }

  /** The graph's own outputs for every sample. */
  async outputs(samples: readonly Float32Array[], level: OrtLevel, signal?: AbortSignal): Promise<Map<string, Float32Array>[]> {
    const session = await open(this.#bytes ?? writeOnnx(this.model), level);
    try {
      const all: Map<string, Float32Array>[] = [];
      const names = this.model.outputs.map((o) => o.name);
      for (const sample of samples) {
        const result = await this.#run(session, sample, names, signal);
        all.push(new Map([...result].map(([name, { data }]) => [name, Float32Array.from(data as Float32Array)])));
      }
      return all;
    } finally {
      await session.close();
    }
  }
}

/** Consecutive tensors whose values together take at most GROUP_BYTES; a larger one is alone. */
export function groupsOf(tensors: readonly string[], shapes: Shapes, limit = GROUP_BYTES): string[][] {
  const groups: string[][] = [];
  let bytes = Infinity;
  for (const name of tensors) {
    const size = 4 * (shapes.get(name) ?? []).reduce((product, d) => product * d, 1);
    if (bytes + size > limit) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(name);
    bytes += size;
  }
  return groups;
}

const floats = (result: Map<string, OrtTensor>, name: string): Float32Array => result.get(name)?.data as Float32Array;

/** Statistics of each tensor over all samples. @throws CompileError naming a tensor with values that are no finite numbers */
export async function calibrate(network: Network, tensors: readonly string[], samples: readonly Float32Array[], { signal, onProgress }: Hooks): Promise<Map<string, TensorStatistics>> {
  const shapes = await network.shapes(tensors, samples[0] as Float32Array, signal);
  const groups = groupsOf(tensors, shapes);
  const statistics = new Map(tensors.map((name) => [name, new TensorStatistics(shapes.get(name)?.[1] ?? 1)]));
  let done = 0;
  for (const group of groups) {
    try {
      const run = await network.exposing(group, shapes);
      for (const [index, sample] of samples.entries()) {
        const result = await run(sample, signal);
        for (const name of group) {
          try {
            statistics.get(name)?.add(floats(result, name));
          } catch (error) {
            throw new CompileError(`Tensor '${name}' has ${(error as Error).message} on calibration sample ${index + 1}; the model or the sample is damaged.`);
          }
        }
        onProgress?.({ step: 'calibrating', done: ++done, total: groups.length * samples.length });
      }
    } finally {
      await network.closeAll();
    }
  }
  return statistics;
}

/** What quantisation does to one tensor. Decibels are of the int8 network's values against the fp32 network's. */
export type TensorQuality = {
  /** With all errors of the layers before it; null where the fp32 values are all 0. */
  readonly sqnr: number | null;
  /** Of rounding the fp32 values themselves to this tensor's codes: its own share. */
  readonly ownSqnr: number | null;
  /** Share of fp32 values outside the codes' range. */
  readonly saturation: number;
};

/** Both networks on the same samples, tensor by tensor. */
export async function compareTensors(fp32: Network, int8: Network, quantisation: ReadonlyMap<string, Quantisation>, samples: readonly Float32Array[], { signal, onProgress }: Hooks): Promise<Map<string, TensorQuality>> {
  const tensors = [...quantisation.keys()];
  const shapes = await fp32.shapes(tensors, samples[0] as Float32Array, signal);
  // Two networks' values at a time.
  const groups = groupsOf(tensors, shapes, GROUP_BYTES / 2);
  const quality = new Map<string, TensorQuality>();
  const inputs = new Map(fp32.model.inputs.map(({ name }) => [name, int8.model.nodes.find((n) => n.opType === 'DequantizeLinear' && n.name === `${name}/DequantizeLinear`)?.outputs[0] ?? name]));
  const behind = (name: string): string => inputs.get(name) ?? name;
  let done = 0;
  for (const group of groups) {
    try {
      const first = await fp32.exposing(group, shapes);
      const second = await int8.exposing(group.map(behind), new Map(group.map((name) => [behind(name), shapes.get(name) ?? []])));
      const totals = group.map(() => ({ network: new NoiseRatio(), own: new NoiseRatio(), outside: 0, count: 0 }));
      for (const sample of samples) {
        const [want, got] = [await first(sample, signal), await second(sample, signal)];
        for (const [i, name] of group.entries()) {
          const [reference, total] = [floats(want, name), totals[i]!];
          total.network.add(reference, floats(got, behind(name)));
          const { values, outside } = rounded(reference, quantisation.get(name) as Quantisation);
          total.own.add(reference, values);
          total.outside += outside;
          total.count += reference.length;
        }
        onProgress?.({ step: 'comparing layers', done: ++done, total: groups.length * samples.length });
      }
      group.forEach((name, i) => {
        const { network, own, outside, count } = totals[i]!;
        quality.set(name, { sqnr: network.decibels, ownSqnr: own.decibels, saturation: outside / count });
      });
    } finally {
      await fp32.closeAll();
      await int8.closeAll();
    }
  }
  return quality;
}

/** Values as codes carry them, and how many lie half a step or more outside; for the report alone: what runs is ONNX Runtime's and the core's arithmetic. */
function rounded(values: Float32Array, { scale, zeroPoint }: Quantisation): { values: Float32Array; outside: number } {
  let outside = 0;
  const [low, high] = [-128 - zeroPoint, 127 - zeroPoint];
  const out = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const steps = (values[i] as number) / scale;
    if (steps < low - 0.5 || steps > high + 0.5) outside++;
    out[i] = Math.max(low, Math.min(high, Math.round(steps))) * scale;
  }
  return { values: out, outside };
}
