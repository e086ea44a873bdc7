/**
 * Where what is read really lies. Concatenation, slices and upsampling are addresses: a reader takes up to two sources, each at full or
 * half resolution, and tensors that are read behind one another are laid behind one another, as planes of one buffer. Where an address
 * does not do, a layer copies; channels that do not fill planes of 8 are gathered by a 1 × 1 convolution of ones.
 */
import { PLANE_CHANNELS } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import type { ConvLayer, CopyLayer, FloatLayer, QGraph, QTensor, ViewLayer } from './graph.ts';
import { isFloat, isFloatPort, NO_BOUNDS } from './graph.ts';
import type { Item, Stage, Targets } from './partition.ts';
import { alone, isStage } from './partition.ts';

/** Channels of a stored tensor from a plane of it on. */
export type Source = { readonly tensor: QTensor; readonly plane: number; readonly channels: number; readonly half: boolean };
/** A stage and what it reads: one source or two, and the other operand of an add. */
export type Step = { readonly stage: Stage; readonly sources: readonly Source[]; readonly other: Source | null };
/** A float operator; `tensor`, which it reads or writes, has a place by its id. */
export type FloatStep = { readonly float: FloatLayer };
export const isFloatStep = (step: Step | FloatStep): step is FloatStep => 'float' in step;
/** Tensors that share a buffer, each with its first plane (any integer). */
export type Buffer = { readonly members: readonly { readonly tensor: QTensor; readonly plane: number }[] };
export type Layout = {
  readonly steps: readonly (Step | FloatStep)[];
  readonly buffers: readonly Buffer[];
  /** Graph outputs, and what float operators read, that are no stored tensors. */
  readonly outputs: ReadonlyMap<number, Source>;
};

/** A source that may begin inside a plane. */
type Piece = Source & { readonly skip: number };
type Planned = { stage: Stage; input: readonly Piece[]; other: readonly Piece[] | null };
type Spot = { group: Group; plane: number };
type Group = { members: { tensor: QTensor; plane: number }[] };

const MAX_PIECES = 1024;
const MAX_SOURCES = 2;
const MAX_GATHERED = 2 ** 26;

const planesOf = (channels: number): number => Math.ceil(channels / PLANE_CHANNELS);
const fills = (piece: Piece): boolean => piece.skip === 0 && piece.channels % PLANE_CHANNELS === 0;

class Placer {
  readonly #spots = new Map<number, Spot>();
  readonly #pieces = new Map<number, readonly Piece[]>();
  readonly #gatherings = new Map<string, Piece>();
  #gatheredWeights = 0;
  readonly #steps: (Planned | FloatStep)[] = [];
  /** Views that are read as tensors of their own. */
  readonly #outputs = new Map<number, readonly Piece[]>();
  readonly #targets: Targets;
  #next: number;

  constructor(graph: QGraph, targets: Targets) {
    this.#targets = targets;
    this.#next = 1 + graph.layers.reduce((most, layer) => Math.max(most, (isFloat(layer) ? layer.tensor : layer.output)?.id ?? 0), Math.max(...graph.inputs.map((i) => i.tensor.id)));
    for (const { tensor } of graph.inputs) this.#store(tensor);
  }

  #store(tensor: QTensor): readonly Piece[] {
    if (!this.#spots.has(tensor.id)) this.#spots.set(tensor.id, { group: { members: [{ tensor, plane: 0 }] }, plane: 0 });
    const pieces = [{ tensor, plane: 0, skip: 0, channels: tensor.channels, half: false }];
    this.#pieces.set(tensor.id, pieces);
    return pieces;
  }

  #of(tensor: QTensor): readonly Piece[] {
    return this.#pieces.get(tensor.id) as readonly Piece[];
  }

  /** Whether b's channels lie right behind a's. */
  #follows(a: Piece, b: Piece): boolean {
    const [left, right] = [this.#spots.get(a.tensor.id) as Spot, this.#spots.get(b.tensor.id) as Spot];
    return fills(a) && b.skip === 0 && a.half === b.half && left.group === right.group && left.plane + a.plane + planesOf(a.channels) === right.plane + b.plane;
  }

  /** Lays b's buffer so that b follows a, unless both have their places already or something is in the way. */
  #link(a: Piece, b: Piece): void {
    if (a.half !== b.half || !fills(a)) return;
    const [left, right] = [this.#spots.get(a.tensor.id) as Spot, this.#spots.get(b.tensor.id) as Spot];
    if (left.group === right.group) return;
    const by = left.plane + a.plane + planesOf(a.channels) - b.plane - right.plane;
    const meets = left.group.members.some((m) => right.group.members.some((n) => m.plane < n.plane + by + planesOf(n.tensor.channels) && n.plane + by < m.plane + planesOf(m.tensor.channels)));
    if (meets) return;
    for (const { tensor, plane } of right.group.members) {
      this.#spots.set(tensor.id, { group: left.group, plane: plane + by });
      left.group.members.push({ tensor, plane: plane + by });
    }
  }

  /** Pieces that follow one another are one source. */
  #runs(pieces: readonly Piece[]): Piece[][] {
    const runs: Piece[][] = [];
    for (const piece of pieces) {
      const last = runs.at(-1);
      if (last !== undefined && this.#follows(last.at(-1) as Piece, piece)) last.push(piece);
      else runs.push([piece]);
    }
    return runs;
  }

  #fresh(view: { output: QTensor; name: string }, channels: number): QTensor {
    return { ...view.output, id: this.#next++, name: `${view.output.name} (copy)`, channels };
  }

  /** Copies what one or two sources hold into a tensor of its own. */
  #copied(view: { output: QTensor; name: string }, pieces: readonly Piece[]): Piece {
    const output = this.#fresh(view, pieces.reduce((sum, p) => sum + p.channels, 0));
    const copy: CopyLayer = { kind: 'copy', name: view.name, operator: 'Copy', input: output, output, bounds: NO_BOUNDS };
    this.#steps.push({ stage: alone(copy, this.#targets.of(copy)), input: pieces, other: null });
    return this.#store(output)[0] as Piece;
  }

  /** The same for channels that do not fill planes: a convolution of ones reads whole planes and picks its channels. */
  #gathered(view: { output: QTensor; name: string }, pieces: readonly Piece[]): Piece {
    const key = pieces.map((p) => [p.tensor.id, p.plane, p.skip, p.channels, p.half].join()).join(' ');
    const known = this.#gatherings.get(key);
    if (known !== undefined) return known;
    const channels = pieces.reduce((sum, p) => sum + p.channels, 0);
    const output = this.#fresh(view, channels);
    const whole = pieces.map((p) => ({ ...p, skip: 0, channels: PLANE_CHANNELS * planesOf(p.skip + p.channels) }));
    const read = whole.reduce((sum, p) => sum + p.channels, 0);
    this.#gatheredWeights += channels * read;
    if (this.#gatheredWeights > MAX_GATHERED) throw new CompileError(`${channels} channels that are not multiples of ${PLANE_CHANNELS} are more than can be put in order; make their numbers multiples of ${PLANE_CHANNELS}.`, view.name);
    const codes = new Int8Array(channels * read);
    let [to, from] = [0, 0];
    pieces.forEach((piece, i) => {
      for (let c = 0; c < piece.channels; c++) codes[to++ * read + from + piece.skip + c] = 1;
      from += (whole[i] as Piece).channels;
    });
    const layer: ConvLayer = {
      kind: 'conv', name: view.name, operator: 'Gather', input: { ...output, channels: read }, output, bounds: NO_BOUNDS, groups: 1,
      window: { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] },
      weights: { codes, scales: new Float32Array(channels).fill(1), bias: new Int32Array(channels) },
    };
    this.#steps.push({ stage: alone(layer, this.#targets.of(layer)), input: whole, other: null });
    const [made] = this.#store(output) as readonly [Piece];
    this.#gatherings.set(key, made);
    return made;
  }

  /** The same channels as at most two sources, all but the last of whole planes. */
  #arranged(view: ViewLayer, given: readonly Piece[]): readonly Piece[] {
    if (given.length > MAX_PIECES) throw new CompileError(`${view.operator} of ${given.length} tensors; at most ${MAX_PIECES} are supported.`, view.name);
    let pieces = given;
    while (pieces.some((p, i) => !fills(p) && (p.skip !== 0 || i < pieces.length - 1))) {
      const at = Math.max(0, Math.min(pieces.findIndex((p) => !fills(p)), pieces.length - 2));
      // Whole planes in front stay where they are.
      pieces = [...pieces.slice(0, at), this.#gathered(view, pieces.slice(at, at + 2)), ...pieces.slice(at + 2)];
    }
    if (this.#runs(pieces).length <= MAX_SOURCES) return pieces;
    pieces.forEach((piece, i) => void (i > 0 && this.#link(pieces[i - 1] as Piece, piece)));
    for (let runs = this.#runs(pieces); runs.length > MAX_SOURCES; runs = this.#runs(pieces)) {
      const size = (i: number): number => [...(runs[i] as Piece[]), ...(runs[i + 1] as Piece[])].reduce((sum, p) => sum + p.channels, 0);
      const at = runs.slice(1).map((_, i) => i).reduce((best, i) => (size(i) < size(best) ? i : best), 0);
      const copy = this.#copied(view, [...(runs[at] as Piece[]), ...(runs[at + 1] as Piece[])]);
      pieces = [...runs.slice(0, at).flat(), copy, ...runs.slice(at + 2).flat()];
    }
    return pieces;
  }

  view(view: ViewLayer): void {
    this.#pieces.set(view.output.id, this.#arranged(view, this.#seen(view)));
  }

  #seen(view: ViewLayer): readonly Piece[] {
    if (view.kind === 'concat') return view.parts.flatMap((part) => this.#of(part));
    const pieces = this.#of(view.input);
    if (view.kind === 'slice') return cut(pieces, view.from, view.output.channels);
    // What is read at half the resolution is not read at a quarter.
    const whole = pieces.some((p) => p.half) ? [this.#copied({ name: view.name, output: view.input }, pieces)] : pieces;
    return whole.map((p) => ({ ...p, half: true }));
  }

  /** As one source at full resolution: what an add's other operand and an output must be. */
  #plain(tensor: QTensor, name: string): readonly Piece[] {
    const pieces = this.#of(tensor);
    if (this.#isPlain(pieces)) return pieces;
    pieces.forEach((piece, i) => void (i > 0 && this.#link(pieces[i - 1] as Piece, piece)));
    if (this.#isPlain(pieces)) return pieces;
    const copy = [this.#copied({ output: tensor, name }, pieces)];
    this.#pieces.set(tensor.id, copy);
    return copy;
  }

  #isPlain(pieces: readonly Piece[]): boolean {
    return this.#runs(pieces).length === 1 && !(pieces[0] as Piece).half;
  }

  stage(stage: Stage): void {
    const { layer, residual } = stage;
    if (layer.kind === 'add') {
      const turned = !this.#isPlain(this.#of(layer.other)) && this.#isPlain(this.#of(layer.input));
      const add = turned ? { ...layer, input: layer.other, other: layer.input } : layer;
      const other = this.#plain(add.other, add.name);
      this.#steps.push({ stage: { ...stage, layer: add }, input: this.#of(add.input), other });
    } else {
      const other = residual === null ? null : this.#plain(residual.other, residual.add.name);
      this.#steps.push({ stage, input: this.#of(layer.input), other });
    }
    this.#store(stage.output);
  }

  float(float: FloatLayer): void {
    const { tensor, output, name } = float;
    if (tensor !== null && output === null) this.#store(tensor);
    else if (tensor !== null) this.#output(tensor, name);
    this.#steps.push({ float });
  }

  #output(tensor: QTensor, name: string): void {
    if (!this.#spots.has(tensor.id)) this.#outputs.set(tensor.id, this.#plain(tensor, name));
  }

  layout(graph: QGraph): Layout {
    for (const port of graph.outputs) if (!isFloatPort(port)) this.#output(port.tensor, port.name);
    const sources = (pieces: readonly Piece[]): Source[] => this.#runs(pieces).map((run) => ({ ...(run[0] as Piece), channels: run.reduce((sum, p) => sum + p.channels, 0) }));
    return {
      steps: this.#steps.map((step) => ('float' in step ? step : { stage: step.stage, sources: sources(step.input), other: step.other === null ? null : (sources(step.other)[0] as Source) })),
      buffers: [...new Set([...this.#spots.values()].map((spot) => spot.group))],
      outputs: new Map([...this.#outputs].map(([id, pieces]) => [id, sources(pieces)[0] as Source])),
    };
  }
}

/** Channels `from` and `count - 1` behind it. */
function cut(pieces: readonly Piece[], from: number, count: number): Piece[] {
  const result: Piece[] = [];
  let at = 0;
  for (const piece of pieces) {
    const first = Math.max(from, at);
    const end = Math.min(from + count, at + piece.channels);
    if (first < end) {
      const lane = piece.skip + first - at;
      result.push({ ...piece, plane: piece.plane + Math.floor(lane / PLANE_CHANNELS), skip: lane % PLANE_CHANNELS, channels: end - first });
    }
    at += piece.channels;
  }
  return result;
}

/** @param targets who runs the copies that are made */
export function layOut(graph: QGraph, items: readonly Item[], targets: Targets): Layout {
  const placer = new Placer(graph, targets);
  for (const item of items) {
    if (isStage(item)) placer.stage(item);
    else if (isFloat(item)) placer.float(item);
    else placer.view(item);
  }
  return placer.layout(graph);
}
