/** Damaged models: by bytes, as a disk or a network damages them, and by parts of the graph, as a bad exporter or somebody with a purpose does. */
import type { OnnxModel, OnnxNode, OnnxTensor } from '../../src/compiler/onnx.ts';
import { readOnnx } from '../../src/compiler/onnx.ts';
import { writeOnnx } from '../../src/compiler/onnx-write.ts';

/** Numbers at which sizes and shapes break. */
const EXTREMES = [0, 1, -1, 2, 3, 7, 255, 65_535, 65_536, 2 ** 20, 2 ** 28, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53 - 1, -(2 ** 31), -(2 ** 53)];
const OPERATORS = ['Conv', 'Gemm', 'MatMul', 'Add', 'Mul', 'Concat', 'Split', 'Slice', 'Resize', 'Reshape', 'Transpose', 'Sigmoid', 'Softmax', 'MaxPool', 'AveragePool', 'Pad', 'Expand', 'Tile', 'Gather', 'Clip', 'Pow', 'QuantizeLinear', 'DequantizeLinear', 'Loop', 'NonMaxSuppression', 'ConstantOfShape', 'Range'];

type Next = () => number;
const below = (next: Next, limit: number): number => Math.floor(next() * limit);
const pick = <T>(next: Next, list: readonly T[]): T => list[below(next, list.length)] as T;

function damagedTensor(next: Next, tensor: OnnxTensor): OnnxTensor {
  const dims = [...tensor.dims];
  switch (below(next, 4)) {
    case 0: return { ...tensor, dims: dims.map((d) => (next() < 0.5 ? d : pick(next, EXTREMES))) };
    case 1: return { ...tensor, dataType: pick(next, [1, 2, 3, 6, 7, 9, 10, 11, 16]) };
    case 2: return { ...tensor, dims: next() < 0.5 ? dims.slice(1) : [...dims, pick(next, [1, 2, 1024])] };
    default: {
      // What shapes are made of, or a scale or a weight gone wild.
      const data = tensor.data.slice() as OnnxTensor['data'];
      const at = below(next, data.length);
      if (data instanceof BigInt64Array) data[at] = BigInt(pick(next, EXTREMES));
      else if (data.length > 0) data[at] = pick(next, [...EXTREMES, NaN, Infinity, -Infinity, 1e-45]);
      return { ...tensor, data };
    }
  }
}

function damagedNode(next: Next, node: OnnxNode, names: readonly string[]): OnnxNode {
  const attributes = new Map(node.attributes);
  switch (below(next, 6)) {
    case 0: return { ...node, opType: pick(next, OPERATORS) };
    case 1: return { ...node, inputs: node.inputs.map((name) => (next() < 0.5 ? name : pick(next, names))) };
    case 2: return { ...node, inputs: next() < 0.5 ? node.inputs.slice(1) : [...node.inputs, pick(next, names), ''] };
    case 3: return { ...node, outputs: next() < 0.5 ? [...node.outputs, pick(next, names)] : node.outputs.slice(1) };
    default: {
      const name = pick(next, [...attributes.keys(), 'axis', 'group', 'pads', 'strides', 'perm', 'kernel_shape', 'dilations', 'axes']);
      const old = attributes.get(name) ?? { name, floats: [], ints: [1, 1] };
      const t = old.t === undefined ? {} : { t: damagedTensor(next, old.t) };
      attributes.set(name, { ...old, ...t, ...(old.i !== undefined && { i: pick(next, EXTREMES) }), ...(old.f !== undefined && { f: pick(next, [...EXTREMES, NaN, Infinity]) }), ints: old.ints.map((v) => (next() < 0.5 ? v : pick(next, EXTREMES))) });
      return { ...node, attributes };
    }
  }
}

/** One to four parts of the graph changed. */
export function damagedGraph(model: OnnxModel, next: Next): OnnxModel {
  let { nodes, inputs, outputs, opset } = model;
  const initializers = new Map(model.initializers);
  const names = [...model.inputs.map((i) => i.name), ...initializers.keys(), ...nodes.flatMap((n) => n.outputs)];
  for (let left = 1 + below(next, 4); left > 0; left--) {
    const at = below(next, nodes.length);
    switch (below(next, 8)) {
      case 0: {
        const name = pick(next, [...initializers.keys(), '']);
        const tensor = initializers.get(name);
        if (tensor !== undefined) initializers.set(name, damagedTensor(next, tensor));
        break;
      }
      case 1: inputs = inputs.map((input) => ({ ...input, dims: input.dims.map((d) => (next() < 0.6 ? d : pick(next, EXTREMES))) })); break;
      case 2: outputs = [...outputs.slice(below(next, 2)), { name: pick(next, names), elementType: 1, dims: [] }]; break;
      case 3: nodes = nodes.filter((_, i) => i !== at); break;
      case 4: nodes = [...nodes.slice(0, at), nodes[at] as OnnxNode, ...nodes.slice(at)]; break;
      case 5: opset = pick(next, [7, 10, 11, 13, 17, 21, 30]); break;
      default: nodes = nodes.map((node, i) => (i === at ? damagedNode(next, node, names) : node));
    }
    if (nodes.length === 0) nodes = model.nodes;
  }
  return { ...model, nodes, inputs, outputs, opset, initializers };
}

/** Bytes of a model that is cut off, has other bytes here and there, or another graph. */
export function damaged(bytes: Uint8Array, next: Next): Uint8Array {
  const kind = next();
  if (kind < 0.2) return bytes.slice(0, below(next, bytes.length));
  if (kind < 0.6) return writeOnnx(damagedGraph(readOnnx(bytes), next));
  const out = bytes.slice();
  // Nodes stand before the weights, which are most of the file and where nothing breaks.
  const reach = next() < 0.7 ? Math.min(out.length, 20_000) : out.length;
  for (let left = 1 + below(next, 6); left > 0; left--) out[below(next, reach)] = pick(next, [0, 0xff, 0x7f, 0x80, below(next, 256)]);
  return out;
}
