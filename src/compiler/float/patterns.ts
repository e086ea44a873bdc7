/** Activations that exports spell out as several nodes. */
import type { Network, Step } from './step.ts';
import { Links } from './step.ts';
import type { Tensor } from './tensor.ts';
import { floats } from './tensor.ts';

const near = (a: number, b: number): boolean => Math.abs(a - b) < 1e-6;

/** One number's affine function: x · scale + shift. */
function scalar(step: Step | undefined): { x: string; scale: number; shift: number } | null {
  if (step?.affine?.scale.length !== 1 || step.affine.shift.length !== 1) return null;
  return { x: step.inputs[0] as string, scale: step.affine.scale[0] as number, shift: step.affine.shift[0] as number };
}

function bounds(step: Step | undefined): { x: string; min: number; max: number } | null {
  if (step?.op !== 'Relu' && step?.op !== 'Clip') return null;
  const at = (index: number, otherwise: number): number => Number((step.inputs[index] as Tensor | null | undefined)?.data[0] ?? otherwise);
  return { x: step.inputs[0] as string, min: step.op === 'Relu' ? 0 : at(1, -Infinity), max: at(2, Infinity) };
}

function become(step: Step, op: string, x: string, attributes: Step['attributes'] = {}, constants: Tensor[] = []): void {
  step.op = op;
  step.inputs = [x, ...constants];
  step.attributes = attributes;
  delete step.affine;
}

/** x of relu6(x + 3) */
function relu6Plus3(links: Links, step: Step | undefined): string | null {
  const clip = bounds(step);
  if (clip?.min !== 0 || clip.max !== 6) return null;
  const add = scalar(links.maker(clip.x));
  return add !== null && add.scale === 1 && add.shift === 3 ? add.x : null;
}

const sixth = (step: Step | undefined): string | null => {
  const found = scalar(step);
  return found !== null && near(found.scale, 1 / 6) && found.shift === 0 ? found.x : null;
};

/** x where the product is x · relu6(x + 3), /6 within one of the factors or not. */
function hardSwishProduct(links: Links, step: Step | undefined): { x: string; divided: boolean } | null {
  if (step?.op !== 'Mul') return null;
  const [a, b] = step.inputs;
  for (const [x, factor] of [[a, b], [b, a]]) {
    if (typeof x !== 'string' || typeof factor !== 'string') continue;
    const made = links.maker(factor);
    if (made?.op === 'HardSigmoid' && made.inputs[0] === x && near((made.attributes['alpha'] as { f: number }).f, 1 / 6) && (made.attributes['beta'] as { f: number }).f === 0.5) return { x, divided: true };
    const inner = relu6Plus3(links, made);
    if (inner === x) return { x, divided: false };
    if (inner !== null && sixth(links.maker(x)) === inner) return { x: inner, divided: true };
  }
  return null;
}

/** In place: HardSigmoid, HardSwish, and bounds behind bounds. */
export function recognise(network: Network): void {
  const links = new Links(network);
  for (const step of network.steps) {
    const divided = sixth(step);
    const inner = divided === null ? null : relu6Plus3(links, links.maker(divided));
    if (inner !== null) become(step, 'HardSigmoid', inner, { alpha: { f: 1 / 6 }, beta: { f: 0.5 } });
    const product = hardSwishProduct(links, divided === null ? step : links.maker(divided));
    if (product !== null && product.divided === (divided === null)) become(step, 'HardSwish', product.x);
    const outer = bounds(step);
    const before = outer === null ? undefined : links.maker(outer.x);
    const first = bounds(before);
    if (outer !== null && first !== null && links.isPrivate(outer.x)) {
      const clip = (value: number): number => Math.min(Math.max(value, outer.min), outer.max);
      const [min, max] = [clip(first.min), clip(first.max)];
      if (min === 0 && max === Infinity) become(step, 'Relu', first.x);
      else {
        become(step, 'Clip', first.x);
        step.inputs = [first.x, min === -Infinity ? null : floats([], [min]), ...(max === Infinity ? [] : [floats([], [max])])];
      }
    }
  }
}
