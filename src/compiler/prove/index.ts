/**
 * The proof of a program: what the golden model computes at every stage, against the exact reference, under the rule of DESIGN.md ("Numerics").
 * Pure but for the callback that runs the program. docs/decisions/proof.md says what is looked at and what is not.
 */
import type { CompileReport } from '../compile.ts';
import { CompileError } from '../error.ts';
import type { OnnxModel } from '../onnx.ts';
import type { RuleProof } from '../../contract/report.ts';
import { Reference } from './reference.ts';
import { NotCovered } from './values.ts';

export { dataOf } from './program.ts';

/** Runs the program on input codes and gives the codes of these tensors, by name. */
export type RunStages = (tensors: readonly string[], input: Int8Array) => Promise<ReadonlyMap<string, Int8Array>>;

export type ProveOptions = {
  /** Multiplications that the reference may take, about; some five seconds. */
  readonly budget?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: { step: string; done: number; total: number }) => void) | undefined;
};

const BUDGET = 4.5e8;
/** Samples at most: more inputs find little that other places do not. */
const MAX_SAMPLES = 4;
/** Values of a layer that are looked at however dear they are. */
const LEAST = 64;
/** Codes that fp32 operators may be off by: they round at every step, which the rule knows nothing of. */
const FLOAT_SLACK = 1;

/** A tensor that one stage makes; `name`: of its layer. */
type Stage = { readonly tensor: string; readonly name: string; readonly float: boolean };

/** Stages of which `names` are the tensors: the last row of each. */
function stagesOf({ layers }: CompileReport, names: readonly string[]): Stage[] {
  const rows = new Map(layers.flatMap((row) => (row.tensor === null || row.descriptor === null ? [] : [[row.tensor, row] as const])));
  return names.map((tensor) => ({ tensor, name: rows.get(tensor)?.name ?? tensor, float: rows.get(tensor)?.float ?? false }));
}

/** As many places, one from each equal part of all, drawn by a seed that follows from the tensor's name. */
function drawn(tensor: string, count: number, of: number): Int32Array | null {
  if (count >= of) return null;
  let state = 0;
  for (const letter of tensor) state = (Math.imul(state, 31) + (letter.codePointAt(0) as number)) >>> 0;
  return Int32Array.from({ length: count }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.min(of - 1, Math.floor(((i + state / 2 ** 32) * of) / count));
  });
}

/** How many values of each tensor can be looked at: cheap ones whole, what is left of the budget shared by the others. */
function shares(costs: readonly { tensor: string; cost: number; elements: number }[], budget: number): Map<string, number> {
  let left = budget;
  const counts = new Map<string, number>();
  const ordered = [...costs].sort((a, b) => a.cost * a.elements - b.cost * b.elements);
  ordered.forEach(({ tensor, cost, elements }, i) => {
    const count = Math.min(elements, Math.max(LEAST, Math.floor(left / (ordered.length - i) / cost)));
    left -= count * cost;
    counts.set(tensor, count);
  });
  return counts;
}

/**
 * @param model canonical QDQ that `report`'s program was compiled from
 * @param groups stageOutputs of the program: names of what its stages store, in groups that one run can give
 * @param inputs codes of the graph's input, one a sample
 * @throws CompileError naming the layer whose value breaks the rule: the program is not to be used; whatever `run` throws; the signal's reason
 */
export async function prove(model: OnnxModel, report: CompileReport, groups: readonly (readonly string[])[], inputs: readonly Int8Array[], run: RunStages, { budget = BUDGET, signal, onProgress }: ProveOptions = {}): Promise<RuleProof> {
  const entry = model.nodes.find((n) => n.opType === 'QuantizeLinear' && model.inputs.some((i) => i.name === n.inputs[0]))?.outputs[0];
  if (entry === undefined) return { state: 'not-run', why: 'The network does not quantise its input.' };
  const reference = new Reference(model);
  const left = new Map<string, string>();
  const names = groups.flat().filter((name) => name !== entry);
  const stages = stagesOf(report, names).filter(({ tensor, name }) => covered(() => void reference.elements(tensor), left, name));
  // Copies have names that the graph lacks; what they hold is looked at where it comes from.
  const quantised = new Set(model.nodes.flatMap((n) => (n.opType === 'QuantizeLinear' ? n.outputs : [])));
  const last = new Map(report.layers.map((row) => [row.descriptor, row]));
  for (const { descriptor, tensor, name } of last.values()) {
    if (descriptor !== null && tensor !== null && quantised.has(tensor) && !names.includes(tensor)) left.set(name, `'${tensor}' has a shape that no output can have`);
  }
  // Whole samples as long as they are cheap.
  const samples = inputs.slice(0, Math.max(1, Math.min(MAX_SAMPLES, Math.floor(budget / Math.max(1, report.macs)))));
  const totals = new Map(stages.map(({ tensor, name }) => [tensor, { name, compared: 0, of: 0, nearTies: 0 }]));
  for (const [index, input] of samples.entries()) {
    const codes = new Map<string, Int8Array>([[entry, input]]);
    for (const group of groups) for (const [name, made] of await run(group, input)) codes.set(name, made);
    reference.feed(codes);
    const counts = shares(stages.map(({ tensor }) => ({ tensor, cost: reference.cost(tensor), elements: reference.elements(tensor) })), budget / samples.length);
    for (const [at, { tensor, name, float }] of stages.entries()) {
      signal?.throwIfAborted();
      onProgress?.({ step: 'proving', done: index * stages.length + at + 1, total: samples.length * stages.length });
      covered(() => {
        const of = reference.elements(tensor);
        const { compared, nearTies, wrong } = reference.check(tensor, drawn(tensor, counts.get(tensor) ?? of, of), float ? FLOAT_SLACK : 0);
        if (wrong !== null) {
          throw new CompileError(`the program computes ${wrong.got} at element ${wrong.index} of '${tensor}', ${wrong.want} is right. No package was made: this is a defect of FabricLens; report it with the model, and keep this layer off the core meanwhile (--pin NODE=PS).`, name);
        }
        const sum = totals.get(tensor) as { compared: number; of: number; nearTies: number };
        sum.compared += compared;
        sum.of += of;
        sum.nearTies += nearTies;
      }, left, name);
    }
    // Room for the other parties of this thread: cancelling, progress.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const layers = [...totals.values()].filter(({ of }) => of > 0);
  const sum = (key: 'compared' | 'of' | 'nearTies'): number => layers.reduce((all, layer) => all + layer[key], 0);
  return { state: 'kept', samples: samples.length, compared: sum('compared'), of: sum('of'), nearTies: sum('nearTies'), layers, left: [...left].map(([name, why]) => `${name}: ${why}.`) };
}

/** Whether the reference has words for it; else why not goes into `left`. */
function covered(work: () => void, left: Map<string, string>, name: string): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (!(error instanceof NotCovered)) throw error;
    left.set(name, error.message);
    return false;
  }
}
