/** The canonical network while it is made: one step an operator, constants in place of initializers' names. */
import { CompileError } from '../error.ts';
import { unique } from '../names.ts';
import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor } from '../onnx.ts';
import { OnnxType } from '../onnx.ts';
import type { Tensor } from './tensor.ts';

export type Attribute = { readonly i: number } | { readonly f: number } | { readonly s: string } | { readonly ints: readonly number[] };
export type Attributes = Readonly<Record<string, Attribute>>;

/** scale · x + shift, each one number or one a channel (axis 1). */
export type Affine = { readonly scale: Float64Array; readonly shift: Float64Array };

export type Step = {
  name: string;
  /** An ONNX operator, or 'Affine' until the last pass. */
  op: string;
  /** Name of another step's output or of a graph input; a constant; null for an input left out. */
  inputs: (string | Tensor | null)[];
  output: string;
  shape: readonly number[];
  attributes: Attributes;
  affine?: Affine;
};

export type Port = { readonly name: string; readonly shape: readonly number[] };
export type Network = { inputs: Port[]; outputs: Port[]; steps: Step[] };

/** Opset of the canonical form: QDQ needs 13, HardSwish 14; all of ONNX Runtime's and Netron's readers of these years know 17. */
export const CANONICAL_OPSET = 17;

export const activations = (step: Step): string[] => step.inputs.filter((input): input is string => typeof input === 'string');

/** Who makes a value, and how often it is read (graph outputs count as reads). */
export class Links {
  readonly #makers = new Map<string, Step>();
  readonly #reads = new Map<string, Step[]>();
  readonly #outputs: Set<string>;

  constructor({ steps, outputs }: Network) {
    for (const step of steps) {
      this.#makers.set(step.output, step);
      for (const input of new Set(activations(step))) {
        const reads = this.#reads.get(input);
        if (reads === undefined) this.#reads.set(input, [step]);
        else reads.push(step);
      }
    }
    this.#outputs = new Set(outputs.map((o) => o.name));
  }

  maker(name: string | Tensor | null | undefined): Step | undefined {
    return typeof name === 'string' ? this.#makers.get(name) : undefined;
  }

  readers(name: string): readonly Step[] {
    return this.#reads.get(name) ?? [];
  }

  isOutput(name: string): boolean {
    return this.#outputs.has(name);
  }

  /** One step reads it, and nobody outside does. */
  isPrivate(name: string): boolean {
    return !this.isOutput(name) && this.readers(name).length === 1;
  }
}

/** Without the steps that no output depends on. */
export function alive({ inputs, outputs, steps }: Network): Network {
  const wanted = new Set(outputs.map((o) => o.name));
  const kept = steps.filter(() => false);
  for (const step of [...steps].reverse()) {
    if (!wanted.has(step.output)) continue;
    kept.push(step);
    for (const input of activations(step)) wanted.add(input);
  }
  return { inputs, outputs, steps: kept.reverse() };
}

/** What an input of an operator is called, for its initializer's name. */
const PARTS: Record<string, readonly string[]> = {
  Conv: ['x', 'weight', 'bias'], Gemm: ['x', 'weight', 'bias'], Clip: ['x', 'min', 'max'], Reshape: ['x', 'shape'], Pad: ['x', 'pads', 'value'],
  Resize: ['x', 'roi', 'scales'], Slice: ['x', 'starts', 'ends', 'axes', 'steps'],
};

export function modelOf({ inputs, outputs, steps }: Network): OnnxModel {
  const initializers = new Map<string, OnnxTensor>();
  const taken = new Set([...inputs.map((i) => i.name), ...steps.map((s) => s.output)]);
  const nodes = steps.map((step): OnnxNode => {
    if (step.op === 'Affine') throw new CompileError('an affine step was left over.', step.name);
    const names = step.inputs.map((input, index) => {
      if (input === null) return '';
      if (typeof input === 'string') return input;
      const name = unique(taken, `${step.name}.${PARTS[step.op]?.[index] ?? `constant${index}`}`);
      initializers.set(name, { name, dataType: input.dataType, dims: [...input.dims], data: input.data });
      return name;
    });
    const attributes = new Map(Object.entries(step.attributes).map(([name, value]): [string, OnnxAttribute] => {
      const { ints = [], ...rest } = value as { ints?: readonly number[]; i?: number; f?: number; s?: string };
      return [name, { name, floats: [], ints: [...ints], ...rest }];
    }));
    return { name: step.name, opType: step.op, domain: '', inputs: names, outputs: [step.output], attributes };
  });
  const value = ({ name, shape }: Port): { name: string; elementType: number; dims: number[] } => ({ name, elementType: OnnxType.FLOAT, dims: [...shape] });
  return { opset: CANONICAL_OPSET, nodes, inputs: inputs.map(value), outputs: outputs.map(value), initializers };
}
