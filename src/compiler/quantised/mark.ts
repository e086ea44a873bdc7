/**
 * The mark: an operator of our own that stands in an fp32 network for a pair of QuantizeLinear and DequantizeLinear. A network with marks goes through
 * the fp32 front end like any other (views, folding, fusion), and still says where it rounds, and to what.
 */
import type { Entry } from '../float/table.ts';
import type { OnnxAttribute, OnnxNode } from '../onnx.ts';
import type { Quantisation } from './codes.ts';

/** No ONNX operator has this name; a file that uses it is refused like any unknown one (read.ts). */
export const MARK = 'fabriclens.Mark';

const attribute = (name: string, value: { f: number } | { i: number }): OnnxAttribute => ({ name, floats: [], ints: [], ...value });

export function markNode(name: string, input: string, output: string, { scale, zeroPoint }: Quantisation): OnnxNode {
  return { name, opType: MARK, domain: '', inputs: [input], outputs: [output], attributes: new Map([['scale', attribute('scale', { f: scale })], ['zero', attribute('zero', { i: zeroPoint })]]) };
}

export const isMark = (node: OnnxNode | undefined): boolean => node?.opType === MARK;

export function quantisationOf(node: OnnxNode): Quantisation {
  return { scale: node.attributes.get('scale')?.f ?? 1, zeroPoint: node.attributes.get('zero')?.i ?? 0 };
}

/** How the front end takes it: on, in whatever order of axes. */
export const MARK_ENTRY: Entry = {
  becomes: 'QuantizeLinear and DequantizeLinear',
  limits: '',
  lower: (walk, node) => {
    const { scale, zeroPoint } = quantisationOf(node);
    return walk.unary(node, walk.view(node, 0), MARK, { scale: { f: scale }, zero: { i: zeroPoint } });
  },
};
