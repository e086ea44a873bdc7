/**
 * Networks that come quantised already: QDQ and QOperator ONNX of any tool → canonical QDQ (DESIGN.md, Numerics), and the fp32 network that it stands
 * for. The file becomes an fp32 network with marks where it rounds (read.ts); the fp32 front end makes that canonical; marks are added where the core
 * needs codes and the file left none (settle.ts); and it is written in both forms (write.ts).
 */
import { CompileError } from '../error.ts';
import type { Marks } from '../float/canonical.ts';
import { canonical } from '../float/canonical.ts';
import { unary } from '../float/elementwise.ts';
import { CANONICAL_OPSET } from '../float/step.ts';
import type { OnnxModel } from '../onnx.ts';
import { writeOnnx } from '../onnx-write.ts';
import type { Range } from '../quantise/statistics.ts';
import type { Quantisation } from './codes.ts';
import { prepare } from './cuts.ts';
import { isMark, MARK, MARK_ENTRY, quantisationOf } from './mark.ts';
import { Net } from './net.ts';
import { QOPERATORS, REFUSED } from './qoperators.ts';
import { QuantisedReader, type StoredWeights } from './read.ts';
import { withScalars } from './scalars.ts';
import { settle } from './settle.ts';
import { floatOf, qdqOf } from './write.ts';

export type QuantisedImport = {
  /** Canonical QDQ, and the file that it is. */
  readonly model: OnnxModel;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same network in fp32, weights dequantised; tensors have the same names. */
  readonly float: OnnxModel;
  /** Of the graph's first input, as int8. */
  readonly input: Quantisation;
  /** What was changed or assumed, a sentence each. */
  readonly notes: readonly string[];
  /** Tensors of `float` that the export left unquantised and the core needs as codes: measure them on samples and call again with their ranges. */
  readonly uncalibrated: readonly string[];
};

/** Functions that a table holds, of opsets beyond the canonical one: a network that has them is written in theirs. */
const LATER: Readonly<Record<string, number>> = { Mish: 18, Gelu: 20 };

const MARKS: Marks = {
  [MARK]: MARK_ENTRY,
  Mish: { lower: unary('Mish'), becomes: 'Mish', limits: '' },
  Gelu: {
    lower: (walk, node) => walk.unary(node, walk.view(node, 0), 'Gelu', { approximate: { s: node.attributes.get('approximate')?.s ?? 'none' } }),
    becomes: 'Gelu', limits: '',
  },
};

const OPERATORS = new Set(['QuantizeLinear', 'DequantizeLinear', ...Object.keys(QOPERATORS), ...Object.keys(REFUSED)]);

/** Whether any node computes with codes or makes them. */
export const isQuantised = (model: OnnxModel): boolean => model.nodes.some(({ opType }) => OPERATORS.has(opType));

function read(model: OnnxModel): { net: Net; weights: ReadonlyMap<string, StoredWeights>; notes: string[] } {
  const marked = new QuantisedReader(model).read();
  const fp32 = canonical(marked.model, MARKS);
  const layers = new Set(marked.model.nodes.filter((n) => n.opType === 'Conv').map((n) => n.name));
  const opset = fp32.model.nodes.reduce((least, { opType }) => Math.max(least, LATER[opType] ?? 0), CANONICAL_OPSET);
  const net = new Net({ ...withScalars(fp32.model, (name) => layers.has(name)), opset });
  prepare(net);
  return { net, weights: marked.weights, notes: [...marked.notes, ...fp32.notes] };
}

/** The fp32 network alone: for who must know it before there are ranges. @throws CompileError */
export function floatForm(model: OnnxModel): Pick<QuantisedImport, 'float' | 'notes'> {
  const { net, notes } = read(model);
  return { float: floatOf(net), notes };
}

/**
 * Pure; the same model gives the same bytes.
 * @param options.ranges of tensors named in `uncalibrated`
 * @throws CompileError naming the node that cannot be held, and the mend
 */
export function canonicalQdq(model: OnnxModel, options: { readonly ranges?: ReadonlyMap<string, Range> } = {}): QuantisedImport {
  const { net, weights, notes } = read(model);
  const float = floatOf(net);
  const uncalibrated = settle(net, options.ranges ?? new Map(), notes);
  const [first] = net.model.inputs;
  const mark = net.readers(first?.name ?? '').find(isMark);
  if (mark === undefined) throw new CompileError(`The graph's input '${first?.name}' is read by nothing.`);
  const qdq = qdqOf(net, weights, notes);
  return { model: qdq, bytes: writeOnnx(qdq), float, input: quantisationOf(mark), notes, uncalibrated };
}
