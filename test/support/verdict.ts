/** A whole network's codes against the reference of the product (src/compiler/prove), tensor by tensor. */
import type { OnnxModel } from '../../src/compiler/onnx.ts';
import { Reference } from '../../src/compiler/prove/reference.ts';

export type Verdict = {
  /** Values compared; those within 2^-12 LSB of a tie. */
  values: number;
  nearTies: number;
  /** The first value of each tensor that breaks the rule. */
  wrong: { tensor: string; index: number; got: number; want: number }[];
  /** Quantised tensors without codes: nothing looked at them but through what follows. */
  unknown: string[];
};

/** LSB that a few operations in fp32 may be off by: values of some hundred LSB, each rounded to 24 bits. */
const FP32_SLACK = 2 ** -9;

/**
 * @param codes by QuantizeLinear's output, the input's among them; others are not looked at
 * @param fp32 those of them that fp32 operators end in
 * @throws NotCovered where the reference has no words for an operator before a tensor of `codes`
 */
export function verdictOf(model: OnnxModel, codes: ReadonlyMap<string, Int8Array>, fp32: ReadonlySet<string | null> = new Set()): Verdict {
  const reference = new Reference(model);
  const quantised = new Set(model.nodes.flatMap((n) => (n.opType === 'QuantizeLinear' ? n.outputs : [])));
  reference.feed(new Map([...codes].filter(([name]) => quantised.has(name))));
  const verdict: Verdict = { values: 0, nearTies: 0, wrong: [], unknown: [] };
  const inputs = new Set(model.inputs.map((i) => i.name));
  for (const { opType, inputs: [from = ''], outputs: [tensor = ''] } of model.nodes) {
    if (opType !== 'QuantizeLinear') continue;
    if (!codes.has(tensor)) verdict.unknown.push(tensor);
    if (!codes.has(tensor) || inputs.has(from)) continue;
    const { compared, nearTies, wrong } = reference.check(tensor, null, 0, fp32.has(tensor) ? FP32_SLACK : undefined);
    verdict.values += compared;
    verdict.nearTies += nearTies;
    if (wrong !== null) verdict.wrong.push({ tensor, ...wrong });
  }
  return verdict;
}
