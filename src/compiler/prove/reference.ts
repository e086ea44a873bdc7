/**
 * The reference of DESIGN.md, "Numerics": exact integer and rational evaluation of a canonical QDQ graph, each layer fed the int8 codes that the
 * implementation under test produced. Written from the ONNX operators alone; of src/compiler it shares the file reader. It is asked for
 * tensors at chosen places and evaluates what these need, so that large layers can be looked at in part.
 *
 * It is the witness and no second implementation: nothing runs on it (docs/decisions/proof.md).
 */
import type { OnnxModel, OnnxNode, OnnxTensor } from '../onnx.ts';
import { pointwise } from './arithmetic.ts';
import type { Fraction } from './fraction.ts';
import { approximate, fraction, halfEven, over, plus } from './fraction.ts';
import { LAYERS } from './layers.ts';
import { MOVEMENT } from './movement.ts';
import { countOf } from './shape.ts';
import type { Ask, Constant, Numbers, Operator, Real, Value, Whole } from './values.ts';
import { attribute, input, intsOf, NotCovered, numbersOf, realOf, termOf } from './values.ts';

/** LSB: DESIGN.md's. */
const TIE = 2 ** -12;
/** Roundings inside one stage that are tried both ways where its result is otherwise wrong. */
const MAX_INNER = 4;

export type Checked = {
  readonly compared: number;
  /** Within 2⁻¹² LSB of a tie, here or at a rounding before it inside the stage. */
  readonly nearTies: number;
  /** The first that breaks the rule. */
  readonly wrong: { readonly index: number; readonly got: number; readonly want: number } | null;
};

/** Codes as rounded exactly, and the other neighbour where the value is near a tie (else the same). */
type Rounded = { want: Int8Array; other: Int8Array; near: number };

const places = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i);

const scaleOf = (tensor: OnnxTensor | undefined): number => (tensor?.data[0] as number | undefined) ?? 1;

export class Reference implements Ask {
  readonly #model: OnnxModel;
  readonly #producers = new Map<string, { node: OnnxNode; index: number }>();
  readonly #inputs: ReadonlyMap<string, readonly number[]>;
  readonly #shapes = new Map<string, readonly number[]>();
  readonly #constants = new Map<string, Constant | null>();
  readonly #once = new Map<OnnxNode, unknown>();
  #known: ReadonlyMap<string, Int8Array> = new Map();
  readonly #wholes = new Map<string, Whole>();
  /** Tensors whose roundings near a tie go down or up instead of where they belong. */
  #pushed: ReadonlyMap<string, 'low' | 'high'> = new Map();
  /** Inner tensors that had values near a tie. */
  readonly #wavering = new Set<string>();

  constructor(model: OnnxModel) {
    this.#model = model;
    this.#inputs = new Map(model.inputs.map(({ name, dims }) => [name, dims.map((d) => d || 1)]));
    for (const node of model.nodes) node.outputs.forEach((name, index) => this.#producers.set(name, { node, index }));
  }

  /** Codes that the implementation made of one input, by QuantizeLinear's output name: what later checks are fed. */
  feed(codes: ReadonlyMap<string, Int8Array>): void {
    this.#known = codes;
    this.#wholes.clear();
  }

  elements(tensor: string): number {
    return countOf(this.shape(tensor));
  }

  /** Multiplications, about, that one value of a QuantizeLinear's output takes. */
  cost(tensor: string): number {
    const costs = (name: string, top: boolean): number => {
      const producer = this.#producers.get(name);
      if (producer === undefined || (!top && this.#known.has(name))) return 1;
      const { node } = producer;
      const { cost, gathers } = this.#operator(node) ?? {};
      const own = cost?.(node, this) ?? 1;
      if (gathers) return own;
      return own * node.inputs.slice(0, node.opType.endsWith('Linear') ? 1 : undefined).reduce((sum, from) => sum + costs(from, false), 0);
    };
    return costs(tensor, true);
  }

  /**
   * A quantised tensor that was fed, against what it should be from the others that were.
   * @param at places to look at; null: all
   * @param slack codes that it may be off (fp32 operators, which round at every step; 0 for everything else)
   * @param tie LSB: nearer to a tie than this, either neighbour will do
   * @throws NotCovered
   */
  check(tensor: string, at: Int32Array | null = null, slack = 0, tie = TIE): Checked {
    const codes = this.#known.get(tensor);
    const producer = this.#producers.get(tensor);
    if (codes === undefined || producer?.node.opType !== 'QuantizeLinear') throw new NotCovered(`no codes of '${tensor}'`);
    const all = at ?? places(codes.length);
    const got = all.map((place) => codes[place] as number);
    this.#wavering.clear();
    const { want, other, near } = this.#rounded(producer.node, all, tie);
    const inner = [...this.#wavering].slice(0, MAX_INNER);
    let left = [...places(all.length)].filter((i) => Math.abs((got[i] as number) - (want[i] as number)) > slack && got[i] !== other[i]);
    const broken = left.length;
    for (let pushes = 0; left.length > 0 && inner.length > 0 && pushes < 2 ** inner.length; pushes++) {
      this.#pushed = new Map(inner.map((name, bit) => [name, (pushes >> bit) % 2 === 0 ? 'low' : 'high']));
      const again = this.#rounded(producer.node, Int32Array.from(left, (i) => all[i] as number), tie);
      this.#pushed = new Map();
      left = left.filter((i, k) => got[i] !== again.want[k] && got[i] !== again.other[k]);
    }
    const [first] = left;
    const wrong = first === undefined ? null : { index: all[first] as number, got: got[first] as number, want: want[first] as number };
    return { compared: all.length, nearTies: near + broken - left.length, wrong };
  }

  shape(name: string): readonly number[] {
    const known = this.#shapes.get(name) ?? this.#inputs.get(name) ?? this.#model.initializers.get(name)?.dims;
    if (known !== undefined) return known;
    const { node, index } = this.#producer(name);
    const made = node.opType.endsWith('Linear') ? this.shape(input(node, 0)) : this.#covered(node).shape(node, this, index);
    this.#shapes.set(name, made);
    return made;
  }

  at(name: string, at: Int32Array): Value {
    const tensor = this.#model.initializers.get(name);
    if (tensor !== undefined) return { kind: 'numbers', values: Float64Array.from(at, (place) => Number(tensor.data[place])) };
    const known = this.#known.get(name);
    if (known !== undefined) return { kind: 'codes', codes: Int8Array.from(at, (place) => known[place] as number) };
    const { node, index } = this.#producer(name);
    if (node.opType === 'DequantizeLinear') return this.#dequantised(node, name, at);
    if (node.opType !== 'QuantizeLinear') return this.#covered(node).at(node, this, at, index);
    const { want, other, near } = this.#rounded(node, at);
    if (near > 0) this.#wavering.add(name);
    const push = this.#pushed.get(name);
    if (push === undefined) return { kind: 'codes', codes: want };
    return { kind: 'codes', codes: want.map((code, i) => (push === 'low' ? Math.min : Math.max)(code, other[i] as number)) };
  }

  real(name: string, at: Int32Array): Real {
    const value = this.at(name, at);
    if (value.kind !== 'real') throw new NotCovered(`${value.kind} at '${name}'`);
    return value;
  }

  numbers(name: string, at: Int32Array): Numbers {
    return numbersOf(this.at(name, at));
  }

  whole(name: string): Whole {
    const known = this.#wholes.get(name);
    if (known !== undefined) return known;
    const term = termOf(this.real(name, places(this.elements(name))), 'the input');
    if (term.scales.length !== 1) throw new NotCovered(`several scales at '${name}'`);
    const made = { ints: Int32Array.from(term.ints), scale: term.scales[0] as Fraction };
    // What a rounding that was pushed led to is of this question only.
    if (this.#pushed.size === 0) this.#wholes.set(name, made);
    return made;
  }

  constant(name: string): Constant | null {
    const known = this.#constants.get(name);
    if (known !== undefined) return known;
    const node = this.#producers.get(name)?.node;
    const tensor = node?.opType === 'DequantizeLinear' ? this.initializer(input(node, 0)) : undefined;
    const made = node === undefined || tensor === undefined ? null : this.#constantOf(node, tensor);
    this.#constants.set(name, made);
    return made;
  }

  initializer(name: string): OnnxTensor | undefined {
    return this.#model.initializers.get(name);
  }

  once<T>(node: OnnxNode, make: () => T): T {
    if (!this.#once.has(node)) this.#once.set(node, make());
    return this.#once.get(node) as T;
  }

  #producer(name: string): { node: OnnxNode; index: number } {
    const producer = this.#producers.get(name);
    if (producer === undefined) throw new NotCovered(`'${name}' is not known`);
    return producer;
  }

  #operator(node: OnnxNode): Operator | undefined {
    if (Object.hasOwn(LAYERS, node.opType)) return LAYERS[node.opType];
    return Object.hasOwn(MOVEMENT, node.opType) ? MOVEMENT[node.opType] : pointwise(node);
  }

  #covered(node: OnnxNode): Operator {
    const operator = this.#operator(node);
    if (operator === undefined) throw new NotCovered(`the reference has no ${node.opType}`);
    return operator;
  }

  #constantOf(node: OnnxNode, { data, dims }: OnnxTensor): Constant {
    const scales = intsOf(this.initializer(input(node, 1))).map(fraction);
    const zeros = intsOf(this.initializer(input(node, 2)));
    const axis = attribute(node, 'axis', 1);
    const inner = scales.length === 1 ? 1 : countOf(dims.slice((axis < 0 ? axis + dims.length : axis) + 1));
    const given = data as Int8Array | Int32Array;
    const ints = zeros.some((z) => z !== 0) ? given.map((v, i) => v - (zeros[Math.floor(i / inner) % zeros.length] as number)) : given;
    return { ints, dims, scales, inner };
  }

  #dequantised(node: OnnxNode, name: string, at: Int32Array): Value {
    const constant = this.constant(name);
    if (constant !== null) {
      const { ints, scales, inner } = constant;
      return realOf(Float64Array.from(at, (place) => ints[place] as number), scales, at.map((place) => Math.floor(place / inner) % scales.length));
    }
    const value = this.at(input(node, 0), at);
    if (value.kind !== 'codes') throw new NotCovered(`${node.opType} of ${value.kind}`);
    const [zero = 0] = intsOf(this.initializer(input(node, 2)));
    const { codes } = value;
    return realOf(Int32Array.from(codes, (code) => code - zero), [this.once(node, () => fraction(scaleOf(this.initializer(input(node, 1)))))]);
  }

  /** What a QuantizeLinear should give at these places. */
  #rounded(node: OnnxNode, at: Int32Array, tie = TIE): Rounded {
    const value = this.at(input(node, 0), at);
    if (value.kind === 'codes') throw new NotCovered(`${node.opType} of codes`);
    const scale = scaleOf(this.initializer(input(node, 1)));
    const [zero = 0] = intsOf(this.initializer(input(node, 2)));
    return value.kind === 'real' ? roundReal(value, fraction(scale), zero, at.length, tie) : roundNumbers(value, scale, zero, tie);
  }
}

const code = (steps: number, zero: number): number => Math.max(-128, Math.min(127, steps + zero));

/** Distance of a number from the nearest tie between two integers. */
const fromTie = (x: number): number => Math.abs(x - Math.floor(x) - 0.5);

function roundNumbers({ values }: Numbers, scale: number, zero: number, tie: number): Rounded {
  const [want, other] = [new Int8Array(values.length), new Int8Array(values.length)];
  let near = 0;
  values.forEach((value, i) => {
    const x = value / scale;
    want[i] = other[i] = code(halfEvenOf(x), zero);
    if (fromTie(x) >= tie) return;
    near++;
    other[i] = code(halfEvenOf(x) === Math.floor(x) ? Math.ceil(x) : Math.floor(x), zero);
  });
  return { want, other, near };
}

const halfEvenOf = (x: number): number => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

function roundReal({ terms, min, max }: Real, out: Fraction, zero: number, count: number, tie: number): Rounded {
  const ratios = terms.map(({ scales }) => scales.map((scale) => over(scale, out)));
  const numbers = ratios.map((each) => each.map(approximate));
  const bound = (value: number): number => (Number.isFinite(value) ? halfEven(over(fraction(value), out)) : value);
  const [low, high] = [bound(min), bound(max)];
  const codeOf = (steps: number): number => code(Math.max(low, Math.min(high, steps)), zero);
  const [want, other] = [new Int8Array(count), new Int8Array(count)];
  let near = 0;
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (let t = 0; t < terms.length; t++) {
      const { ints, which } = terms[t] as Real['terms'][number];
      sum += (ints[i] as number) * ((numbers[t] as number[])[which?.[i] ?? 0] as number);
    }
    const distance = fromTie(sum);
    let steps = Math.round(sum);
    // Doubles decide unless they come near a tie; there the fractions do.
    if (distance < 1e-6) {
      const exact = terms.map(({ ints, which }, t): Fraction => {
        const { n, d } = (ratios[t] as Fraction[])[which?.[i] ?? 0] as Fraction;
        return { n: BigInt(ints[i] as number) * n, d };
      });
      steps = halfEven(exact.reduce(plus));
    }
    want[i] = other[i] = codeOf(steps);
    if (distance >= tie) continue;
    near++;
    other[i] = codeOf(steps === Math.floor(sum) ? Math.ceil(sum) : Math.floor(sum));
  }
  return { want, other, near };
}
