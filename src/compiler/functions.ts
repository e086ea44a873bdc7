/** Functions of one real number that ONNX has operators for, in double precision; attributes with ONNX's defaults. */
import type { OnnxNode } from './onnx.ts';

type Maker = (attribute: (name: string, otherwise: number) => number, node: OnnxNode) => (x: number) => number;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const clamp = (x: number, min: number, max: number): number => Math.max(min, Math.min(max, x));

/** All terms are positive: e^(-x^2) 2/sqrt(pi) sum 2^n x^(2n+1) / (2n+1)!! */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const gelu: Maker = (_attribute, node) =>
  node.attributes.get('approximate')?.s === 'tanh' ? (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))) : (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2));

export const FUNCTIONS: Readonly<Record<string, Maker>> = {
  Sigmoid: () => sigmoid,
  Tanh: () => Math.tanh,
  HardSigmoid: (attribute) => {
    const [alpha, beta] = [attribute('alpha', 0.2), attribute('beta', 0.5)];
    return (x) => clamp(alpha * x + beta, 0, 1);
  },
  HardSwish: () => (x) => x * clamp(x / 6 + 0.5, 0, 1),
  Swish: (attribute) => {
    const alpha = attribute('alpha', 1);
    return (x) => x * sigmoid(alpha * x);
  },
  Mish: () => (x) => x * Math.tanh(softplus(x)),
  Gelu: gelu,
  LeakyRelu: (attribute) => {
    const alpha = attribute('alpha', 0.01);
    return (x) => (x < 0 ? alpha * x : x);
  },
  ThresholdedRelu: (attribute) => {
    const alpha = attribute('alpha', 1);
    return (x) => (x > alpha ? x : 0);
  },
  Elu: (attribute) => {
    const alpha = attribute('alpha', 1);
    return (x) => (x < 0 ? alpha * Math.expm1(x) : x);
  },
  Celu: (attribute) => {
    const alpha = attribute('alpha', 1);
    return (x) => Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha));
  },
  Selu: (attribute) => {
    const [alpha, gamma] = [attribute('alpha', 1.67326319217681884765625), attribute('gamma', 1.05070102214813232421875)];
    return (x) => gamma * (x < 0 ? alpha * Math.expm1(x) : x);
  },
  Softplus: () => softplus,
  Softsign: () => (x) => x / (1 + Math.abs(x)),
  Erf: () => erf,
  Exp: () => Math.exp,
  Log: () => Math.log,
  Sqrt: () => Math.sqrt,
  Abs: () => Math.abs,
  Neg: () => (x) => -x,
  Reciprocal: () => (x) => 1 / x,
};

/** The function of a node of FUNCTIONS; ONNX's numbers are fp32. */
export function functionOf(node: OnnxNode): (x: number) => number {
  const maker = FUNCTIONS[node.opType] as Maker;
  return maker((name, otherwise) => node.attributes.get(name)?.f ?? Math.fround(otherwise), node);
}
