/** Who runs a package's network: ONNX Runtime in fp32 and int8, the golden model, the simulated RTL. Each gives its outputs of an image. */
import { Outcome, Simulated } from '../../hls/sim/simulated.ts';
import { Golden } from '../../hls/tests/golden.ts';
import type { ClassifierFields } from '../../src/contract/model.ts';
import { openSession } from '../../src/engines/index.ts';
import { quantizeInput } from '../../src/preprocess/index.ts';
import { outputsOf } from '../../test/support/exposed.ts';
import type { EvaluatedClassifier, EvaluatedPackage } from './package.ts';

export const ENGINES = ['cpu-fp32', 'cpu-int8', 'golden', 'rtl'] as const;
export type EngineName = (typeof ENGINES)[number];
/** Runs a network: its outputs by name, in fp32. */
export type Network = { readonly run: (tensor: Float32Array) => Promise<(output: string) => Float32Array>; readonly end: () => Promise<void> };
export type RuntimeFile = 'model.onnx' | 'model.int8.onnx';

export async function runtime({ files, fields: { input: { name, shape } } }: EvaluatedPackage, file: RuntimeFile, outputs: readonly string[]): Promise<Network> {
  const session = await openSession(files[file]);
  return {
    run: async (data) => {
      const made = await session.run({ name, data, dims: shape }, outputs);
      return (output) => Float32Array.from(made.get(output)?.data as Float32Array);
    },
    end: () => session.close(),
  };
}

export async function goldenModel({ files }: EvaluatedPackage): Promise<Network> {
  const program = files['program.bin'];
  const golden = await Golden.start();
  const { text } = await golden.load(program);
  if (text !== '') throw new Error(text);
  const outputs = outputsOf(program);
  return {
    run: async (tensor) => {
      const { values, text: refusal } = await golden.runFloat(tensor);
      if (refusal !== '') throw new Error(refusal);
      return (output) => {
        const at = outputs.findIndex(({ name }) => name === output);
        const start = outputs.slice(0, at).reduce((sum, { elements }) => sum + elements, 0);
        return values.slice(start, start + (outputs[at]?.elements ?? 0));
      };
    },
    end: async () => void (await golden.end()),
  };
}

/** A classifier's answer; `features` is [channels, rows, columns]. */
export type Raw = { readonly logits: Float32Array; readonly features: Float32Array | null };
export type Runner = { readonly run: (tensor: Float32Array) => Promise<Raw>; readonly end: () => Promise<void> };

function classifier({ outputs: { logits, features } }: ClassifierFields, { run, end }: Network): Runner {
  return {
    run: async (tensor) => {
      const output = await run(tensor);
      return { logits: output(logits), features: features === undefined ? null : output(features) };
    },
    end,
  };
}

export async function inRuntime(pkg: EvaluatedClassifier, file: RuntimeFile): Promise<Runner> {
  const { logits, features } = pkg.fields.outputs;
  return classifier(pkg.fields, await runtime(pkg, file, features === undefined ? [logits] : [logits, features]));
}

export const inGolden = async (pkg: EvaluatedClassifier): Promise<Runner> => classifier(pkg.fields, await goldenModel(pkg));

/** At 100 MHz, 1 GB/s and 400 ns. `equal`: all output codes are the golden model's; `cycles` of the slowest image. */
export type RtlRun = { readonly equal: boolean; readonly cycles: number };

export async function inRtl({ files, fields }: EvaluatedPackage, tensors: readonly Float32Array[], say: (line: string) => void): Promise<RtlRun> {
  const { scale, zeroPoint } = fields.input;
  const golden = await Golden.start();
  await golden.load(files['program.bin']);
  const core = await Simulated.start({ oc: 8, px: 3 }, { log: say });
  await core.configure({});
  await core.load(files['program.bin']);
  let [equal, cycles] = [true, 0];
  for (const [i, tensor] of tensors.entries()) {
    say(`rtl: ${i + 1} of ${tensors.length}`);
    const codes = quantizeInput(tensor, scale, zeroPoint);
    const run = await core.run(codes);
    if (run.outcome !== Outcome.OK) throw new Error(`the simulated core: ${run.text}`);
    equal &&= Buffer.from(run.outputs).equals(Buffer.from(await golden.run(codes)));
    cycles = Math.max(cycles, run.cycles);
  }
  await core.end();
  await golden.end();
  return { equal, cycles };
}
