/** Who runs a package's network: ONNX Runtime in fp32 and int8, the golden model, the simulated RTL. Each gives every image's logits and feature map. */
import { Outcome, Simulated } from '../../hls/sim/simulated.ts';
import { Golden } from '../../hls/tests/golden.ts';
import { openSession } from '../../src/engines/index.ts';
import { quantizeInput } from '../../src/preprocess/index.ts';
import { outputsOf } from '../../test/support/exposed.ts';
import type { EvaluatedPackage } from './package.ts';

export const ENGINES = ['cpu-fp32', 'cpu-int8', 'golden', 'rtl'] as const;
export type EngineName = (typeof ENGINES)[number];
/** `features` is [channels, rows, columns]. */
export type Raw = { readonly logits: Float32Array; readonly features: Float32Array | null };
export type Runner = { readonly run: (tensor: Float32Array) => Promise<Raw>; readonly end: () => Promise<void> };

export async function inRuntime({ files, fields }: EvaluatedPackage, file: 'model.onnx' | 'model.int8.onnx'): Promise<Runner> {
  const session = await openSession(files[file]);
  const { logits, features } = fields.outputs;
  const { name, shape } = fields.input;
  return {
    run: async (data) => {
      const outputs = await session.run({ name, data, dims: shape }, features === undefined ? [logits] : [logits, features]);
      const values = (output: string): Float32Array => Float32Array.from(outputs.get(output)?.data as Float32Array);
      return { logits: values(logits), features: features === undefined ? null : values(features) };
    },
    end: () => session.close(),
  };
}

export async function inGolden({ files, fields }: EvaluatedPackage): Promise<Runner> {
  const program = files['program.bin'];
  const golden = await Golden.start();
  const { text } = await golden.load(program);
  if (text !== '') throw new Error(text);
  const outputs = outputsOf(program);
  const part = (all: Float32Array, name: string): Float32Array => {
    const at = outputs.findIndex((o) => o.name === name);
    const start = outputs.slice(0, at).reduce((sum, o) => sum + o.elements, 0);
    return all.slice(start, start + (outputs[at]?.elements ?? 0));
  };
  return {
    run: async (tensor) => {
      const { values, text: refusal } = await golden.runFloat(tensor);
      if (refusal !== '') throw new Error(refusal);
      return { logits: part(values, fields.outputs.logits), features: fields.outputs.features === undefined ? null : part(values, fields.outputs.features) };
    },
    end: async () => void (await golden.end()),
  };
}

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
