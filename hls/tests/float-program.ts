/** Programs of float operators alone, operator by operator, for tests; their inputs are constants, so that any fp32 value can be one. */
import { FloatOperator, FloatPlace, MAX_RANK, NONE } from '../../src/contract/layout.ts';
import type { QTensor } from '../../src/compiler/graph.ts';
import { writeProgram } from '../../src/compiler/write.ts';
import type { FloatParts } from '../../src/compiler/write.ts';
import type { Golden } from './golden.ts';
import { Status } from './golden.ts';

export type Shape = readonly number[];
export type Tensor = { readonly index: number; readonly shape: Shape };
/** Words of parameters as they lie in DATA. */
export type Words = Float32Array | Int32Array | Uint32Array;
type OpValues = FloatParts['ops'][number]['values'];

export const elementsOf = (shape: Shape): number => shape.reduce((product, d) => product * d, 1);
const bytesOf = (words: Words): Uint8Array => new Uint8Array(words.buffer, words.byteOffset, words.byteLength);

/** Mixed words: i32 unless they are given as { f32 }. */
export function words(...values: (number | { readonly f32: number })[]): Uint32Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => (typeof value === 'number' ? view.setInt32(4 * i, value, true) : view.setFloat32(4 * i, value.f32, true)));
  return new Uint32Array(view.buffer);
}

export class FloatProgram {
  readonly #tensors: FloatParts['tensors'][number][] = [];
  readonly #ops: FloatParts['ops'][number][] = [];
  readonly #outputs: { name: string; floatTensor: number; shape: Shape }[] = [];
  readonly #codes: { tensor: QTensor; offset: number; planeStride: number; rowStride: number; output: boolean }[] = [];
  readonly #data: Uint8Array[] = [];
  #dataBytes = 0;
  #arenaBytes = 0;
  #codeBytes = 0;

  /** Every program has an input, of codes; index 0. */
  constructor(input: readonly [number, number, number] = [1, 1, 1]) {
    this.codes(input, 1, 0);
  }

  #keep(words: Words): number {
    const at = this.#dataBytes;
    this.#data.push(bytesOf(words));
    this.#dataBytes += words.byteLength;
    return at;
  }

  #tensor(shape: Shape, place: number, offset: number): Tensor {
    this.#tensors.push({ rank: shape.length, dims: [...shape, ...new Array<number>(MAX_RANK).fill(1)].slice(0, MAX_RANK), place, offset });
    return { index: this.#tensors.length - 1, shape };
  }

  constant(values: Float32Array, shape: Shape): Tensor {
    return this.#tensor(shape, FloatPlace.CONSTANT, this.#keep(values));
  }

  /** In the arena; `at`: over an earlier one. */
  tensor(shape: Shape, at?: Tensor): Tensor {
    if (at !== undefined) return this.#tensor(shape, FloatPlace.ARENA, (this.#tensors[at.index] as { offset: number }).offset);
    const made = this.#tensor(shape, FloatPlace.ARENA, this.#arenaBytes);
    this.#arenaBytes += 4 * elementsOf(shape);
    return made;
  }

  /** Index of an int8 tensor [channels, height, width]; the first is the program's input. `slack`: unused bytes behind a row and a plane. */
  codes([channels, height, width]: readonly [number, number, number], scale: number, zeroPoint: number, slack = 0, output = false): number {
    const rowStride = 8 * width + slack;
    const planeStride = rowStride * height + slack;
    const id = this.#codes.length;
    this.#codes.push({ tensor: { id, name: `codes${id}`, channels, height, width, scale, zeroPoint }, offset: this.#codeBytes, planeStride, rowStride, output });
    this.#codeBytes += Math.ceil((planeStride * Math.ceil(channels / 8)) / 64) * 64;
    return id;
  }

  op(op: number, inputs: readonly Tensor[], output: Tensor | null, { parameters = null, ...more }: { function?: number; axis?: number; tensor?: number; parameters?: Words | null } = {}): void {
    const values: OpValues = {
      op, function: 0, inputA: inputs[0]?.index ?? NONE, inputB: inputs[1]?.index ?? NONE, output: output?.index ?? NONE, tensor: NONE, axis: 0,
      parametersOffset: parameters === null || parameters.length === 0 ? NONE : this.#keep(parameters), parametersCount: parameters?.length ?? 0, ...more,
    };
    this.#ops.push({ name: `op${this.#ops.length}`, after: 0, values });
  }

  /** An operator whose output is a graph output of its own. */
  result(op: number, inputs: readonly Tensor[], shape: Shape, more: Parameters<FloatProgram['op']>[3] = {}): Tensor {
    const output = this.tensor(shape);
    this.op(op, inputs, output, more);
    this.output(output);
    return output;
  }

  output(tensor: Tensor): void {
    this.#outputs.push({ name: `out${this.#outputs.length}`, floatTensor: tensor.index, shape: tensor.shape });
  }

  build(): Uint8Array {
    const data = new Uint8Array(this.#dataBytes);
    let at = 0;
    for (const part of this.#data) {
      data.set(part, at);
      at += part.length;
    }
    const port = ({ tensor }: { tensor: QTensor }): { name: string; tensor: QTensor; dataType: 'FP32'; shape: Shape } => ({ name: tensor.name, tensor, dataType: 'FP32', shape: [1, tensor.channels, tensor.height, tensor.width] });
    return writeProgram({
      modelSha256: new Uint8Array(32).fill(7), arenaBytes: this.#codeBytes, places: this.#codes, data, descriptors: [],
      inputs: this.#codes.slice(0, 1).map(port), outputs: [...this.#outputs, ...this.#codes.filter((c) => c.output).map(port)],
      float: { arenaBytes: this.#arenaBytes, tensors: this.#tensors, ops: this.#ops },
    });
  }

  /** Loads and runs it: the outputs in their order, those of codes last. @throws Error where it is refused */
  async run(golden: Golden): Promise<Float32Array[]> {
    const loaded = await golden.load(this.build(), true);
    if (loaded.status !== Status.OK) throw new Error(`refused: ${loaded.text}`);
    const { status, text, values } = await golden.runFloat(new Float32Array(loaded.inputBytes));
    if (status !== Status.OK) throw new Error(`failed: ${text}`);
    let at = 0;
    return [...this.#outputs.map(({ shape }) => elementsOf(shape)), ...this.#codes.filter((c) => c.output).map(({ tensor: t }) => t.channels * t.height * t.width)].map((count) => values.slice(at, (at += count)));
  }
}

export const unaryOf = (program: FloatProgram, x: Tensor, fn: number, alpha = 0, beta = 0): Tensor =>
  program.result(FloatOperator.UNARY, [x], x.shape, { function: fn, parameters: Float32Array.of(alpha, beta) });
