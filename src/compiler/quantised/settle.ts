/**
 * Marks where the core needs codes and the export left none: at the graph's input, before and behind every convolution, dense layer and pooling.
 * What stands between them unquantised stays so.
 */
import { CompileError } from '../error.ts';
import type { OnnxNode } from '../onnx.ts';
import type { Range } from '../quantise/statistics.ts';
import { parametersOf } from '../quantise/statistics.ts';
import type { Quantisation } from './codes.ts';
import { sameQuantisation } from './codes.ts';
import { Intervals, meet, rangeOfCodes, union } from './intervals.ts';
import { isMark, quantisationOf } from './mark.ts';
import type { Net } from './net.ts';

/** What computes with codes on the core. */
const LAYERS = new Set(['Conv', 'Gemm', 'MaxPool', 'AveragePool', 'GlobalAveragePool']);
const BOUNDS = new Set(['Relu', 'Clip']);
/** Readers that are followed from an input to where it is quantised. */
const MAX_STEPS = 16;

const wider = (a: Quantisation, b: Quantisation): Quantisation => (b.scale > a.scale ? b : a);

class Settler {
  readonly #net: Net;
  readonly #intervals: Intervals;
  readonly #ranges: ReadonlyMap<string, Range>;
  readonly #notes: string[];
  readonly #uncalibrated: string[] = [];
  /** Results of layers that go into the Relu or Clip behind them unquantised: the codes are those behind it. */
  readonly #open = new Set<string>();

  constructor(net: Net, ranges: ReadonlyMap<string, Range>, notes: string[]) {
    this.#net = net;
    this.#intervals = new Intervals(net);
    this.#ranges = ranges;
    this.#notes = notes;
  }

  run(): string[] {
    const net = this.#net;
    for (const { name } of net.model.inputs) this.#input(name);
    for (const node of net.model.nodes) {
      net.learn(node);
      const [input = ''] = node.inputs;
      const [output = ''] = node.outputs;
      if (LAYERS.has(node.opType) && net.lattice(input) === undefined) this.#operand(input);
      this.#intervals.visit(node);
      if (LAYERS.has(node.opType) || this.#open.has(output)) this.#result(output);
    }
    return this.#uncalibrated;
  }

  #mark(tensor: string, quantisation: Quantisation, readers: readonly OnnxNode[], outputs: boolean): void {
    this.#intervals.visit(this.#net.mark(tensor, quantisation, readers, outputs));
  }

  /** A graph input is quantised first, once. */
  #input(name: string): void {
    const net = this.#net;
    const readers = net.readers(name);
    const codes = readers.filter(isMark).map(quantisationOf);
    const [first] = codes;
    if (first !== undefined && codes.length === readers.length && codes.every((q) => sameQuantisation(q, first)) && !net.isOutput(name)) return;
    if (readers.length > 0) this.#mark(name, codes.length > 0 ? codes.reduce(wider) : (this.#ahead(name) ?? this.#chosen(name)), readers, true);
  }

  /** The codes that a value gets further on, where nothing but moves lies between. */
  #ahead(name: string): Quantisation | undefined {
    let at = name;
    for (let step = 0; step < MAX_STEPS; step++) {
      const [reader, ...others] = this.#net.readers(at);
      if (reader === undefined || others.length > 0) return undefined;
      if (isMark(reader)) return quantisationOf(reader);
      if (!['Identity', 'Reshape', 'Flatten', 'Transpose', 'Pad'].includes(reader.opType)) return undefined;
      at = reader.outputs[0] ?? '';
    }
    return undefined;
  }

  /** What a layer reads. */
  #operand(name: string): void {
    const net = this.#net;
    const [exact] = this.#exact(name);
    this.#mark(name, exact ?? this.#chosen(name), net.readers(name).filter((n) => LAYERS.has(n.opType)), false);
  }

  /** Codes that hold every value: those of what goes into a Relu, a Clip or a maximum, or that all parts of a Concat fit into. */
  #exact(name: string): Quantisation[] {
    const maker = this.#net.maker(name);
    if (maker === undefined) return [];
    const parts = maker.inputs.map((input) => this.#net.lattice(input));
    const [codes] = parts;
    if (BOUNDS.has(maker.opType) || maker.opType === 'MaxPool') return codes === undefined ? [] : [codes];
    if (maker.opType !== 'Concat' || !parts.every((q) => q !== undefined)) return [];
    const joined = parametersOf(union(parts.map(rangeOfCodes)));
    this.#notes.push(`Node '${maker.name}': its parts differ in scale; they are brought to scale ${joined.scale}.`);
    return [joined];
  }

  /** What a layer gives, or the Relu or Clip behind it. */
  #result(name: string): void {
    const net = this.#net;
    const readers = net.readers(name);
    const marks = readers.filter(isMark);
    const plain = readers.filter((n) => !isMark(n));
    const isOutput = net.isOutput(name);
    const [only] = plain;
    if (!isOutput && readers.length === 1 && only !== undefined && BOUNDS.has(only.opType)) {
      this.#open.add(only.outputs[0] ?? '');
      return;
    }
    if (readers.length === 0 && !isOutput) return;
    const codes = marks.map(quantisationOf);
    const [first] = codes;
    const widest = codes.length > 0 ? codes.reduce(wider) : undefined;
    if (isOutput || plain.length > 0) {
      if (widest !== undefined) this.#notes.push(`Node '${net.maker(name)?.name}': its result is read before it is quantised, by ${plain.map((n) => `'${n.name}'`).slice(0, 4).join(', ') || 'an output'}; all read the quantised values now.`);
      this.#mark(name, widest ?? this.#exact(name)[0] ?? this.#chosen(name), readers, true);
    } else if (widest !== undefined && first !== undefined && codes.some((q) => !sameQuantisation(q, first))) {
      this.#notes.push(`Node '${net.maker(name)?.name}': its result is quantised in several ways; it is once, with scale ${widest.scale}, and the others are made from that.`);
      this.#mark(name, widest, readers, false);
    }
    this.#beforeClip(name);
  }

  /** ONNX Runtime 1.30 fails on a quantised convolution whose Clip is more than its QuantizeLinear (it fuses both ways at once): the Clip then stands alone. */
  #beforeClip(name: string): void {
    const net = this.#net;
    const clip = net.maker(name);
    const mark = net.readers(name).find(isMark);
    const input = clip?.inputs[0] ?? '';
    if (clip?.opType !== 'Clip' || mark === undefined || isMark(net.maker(input))) return;
    const quantisation = quantisationOf(mark);
    const codes = rangeOfCodes(quantisation);
    const bound = (index: number, otherwise: number): number => Number(net.constant(clip.inputs[index])?.data[0] ?? otherwise);
    if (codes.min < bound(1, -Infinity) || codes.max > bound(2, Infinity)) this.#mark(input, quantisation, [clip], false);
  }

  #chosen(name: string): Quantisation {
    const net = this.#net;
    const measured = this.#ranges.get(net.floatName(name));
    const useful = this.#intervals.useful(name);
    const { min, max } = meet(meet(this.#intervals.of(name), useful), measured ?? useful);
    const node = net.maker(name);
    if (!Number.isFinite(max - min)) {
      const what = node === undefined ? `The graph's input '${name}'` : `its result '${name}'`;
      throw new CompileError(`${what} is not quantised, and nothing tells its range; quantise it (activations as well as weights), or give calibration data.`, node?.name ?? '');
    }
    const float = net.floatName(name);
    if (!this.#uncalibrated.includes(float)) this.#uncalibrated.push(float);
    const how = measured !== undefined ? 'from calibration data' : Number.isFinite(useful.max - useful.min) ? 'such that nothing is lost that the next quantisation keeps' : 'from the largest values that its weights allow, which may cost accuracy: calibration data would do better';
    this.#notes.push(`${node === undefined ? 'Input' : `Node '${node.name}': its result`} '${float}' was not quantised; its scale is chosen ${how}.`);
    return parametersOf({ min: Math.min(0, min), max: Math.max(0, max) });
  }
}

/**
 * @param ranges of tensors of the fp32 network, measured on samples
 * @returns names of tensors of the fp32 network that the export left unquantised and whose ranges would be worth measuring
 * @throws CompileError where a tensor must be quantised and nothing tells its range
 */
export const settle = (net: Net, ranges: ReadonlyMap<string, Range>, notes: string[]): string[] => new Settler(net, ranges, notes).run();
