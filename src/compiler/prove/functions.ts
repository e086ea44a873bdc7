/** Functions of one number, from ONNX's own words for them and not from the compiler's: this is the witness. Attributes are fp32. */
import type { OnnxNode } from '../onnx.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Taylor series where it converges fast, continued fraction of erfc beyond. */
function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 3) {
    let [term, sum] = [a, a];
    for (let n = 1; n < 100; n++) sum += (term *= -(a * a) / n) / (2 * n + 1);
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let f = 0;
  for (let n = 60; n > 0; n--) f = n / 2 / (a + f);
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + f)));
}

type Maker = (f: (name: string, otherwise: number) => number, node: OnnxNode) => (x: number) => number;

const MAKERS: Readonly<Record<string, Maker>> = {
  Sigmoid: () => sigmoid,
  Tanh: () => Math.tanh,
  HardSigmoid: (f) => (x) => Math.min(1, Math.max(0, f('alpha', 0.2) * x + f('beta', 0.5))),
  HardSwish: () => (x) => (x * Math.min(6, Math.max(0, x + 3))) / 6,
  Swish: (f) => (x) => x * sigmoid(f('alpha', 1) * x),
  LeakyRelu: (f) => (x) => (x >= 0 ? x : x * f('alpha', 0.01)),
  ThresholdedRelu: (f) => (x) => (x > f('alpha', 1) ? x : 0),
  Elu: (f) => (x) => (x >= 0 ? x : f('alpha', 1) * (Math.exp(x) - 1)),
  Celu: (f) => (x) => (x >= 0 ? x : f('alpha', 1) * (Math.exp(x / f('alpha', 1)) - 1)),
  Selu: (f) => (x) => f('gamma', 1.0507009873554805) * (x >= 0 ? x : f('alpha', 1.6732632423543772) * (Math.exp(x) - 1)),
  Mish: () => (x) => x * Math.tanh(Math.log(1 + Math.exp(x))),
  Softplus: () => (x) => (x > 30 ? x : Math.log(1 + Math.exp(x))),
  Softsign: () => (x) => x / (1 + Math.abs(x)),
  Gelu: (_, node) => (node.attributes.get('approximate')?.s === 'tanh' ? (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))) : (x) => (x / 2) * (1 + erf(x / Math.SQRT2))),
  Erf: () => erf,
  Exp: () => Math.exp,
  Log: () => Math.log,
  Sqrt: () => Math.sqrt,
  Abs: () => Math.abs,
  Neg: () => (x) => -x,
  Reciprocal: () => (x) => 1 / x,
  Floor: () => Math.floor,
  Ceil: () => Math.ceil,
};

/** undefined where the operator is no such function. */
export function functionOf(node: OnnxNode): ((x: number) => number) | undefined {
  const maker = Object.hasOwn(MAKERS, node.opType) ? MAKERS[node.opType] : undefined;
  return maker?.((name, otherwise) => node.attributes.get(name)?.f ?? Math.fround(otherwise), node);
}
