/** What marks mean in fp32 beyond rounding, and one mark where tools write several. */
import { Intervals, rangeOfCodes } from './intervals.ts';
import { isMark, quantisationOf } from './mark.ts';
import type { Net } from './net.ts';
import { isMove } from './net.ts';

/**
 * Tools leave a Relu out (and a Clip) where the codes behind it begin at 0 anyway. In fp32 the mark then is a Clip to its codes' range; not so where nothing
 * lies below 0, and not of the image, whose range is its own.
 */
function findCuts(net: Net): void {
  const intervals = new Intervals(net);
  const given = new Set(net.model.inputs.map((i) => i.name));
  for (const node of net.nodes()) {
    intervals.visit(node);
    const [input = ''] = node.inputs;
    const [output = ''] = node.outputs;
    if (given.has(input) && (isMark(node) || isMove(node))) given.add(output);
    if (!isMark(node) || given.has(output)) continue;
    const [values, codes] = [intervals.of(input), rangeOfCodes(quantisationOf(node))];
    if ((codes.min === 0 && values.min < 0) || (codes.max === 0 && values.max > 0)) net.cuts.add(node);
  }
}

/** Makes a net ready for either form: equal marks merged, cuts found, tensors named. */
export function prepare(net: Net): void {
  for (const name of [...net.model.inputs.map((i) => i.name), ...net.model.nodes.flatMap((n) => n.outputs)]) net.merge(name);
  findCuts(net);
  net.giveNames();
}
