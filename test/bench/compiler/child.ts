/**
 * One step of a network's way to a program, in a process of its own, whose peak memory is then that step's: `node child.mjs STEP ID FOLDER [SAMPLES]`.
 * Steps read what the step before left in FOLDER. The last line of stdout is JSON.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileProgram } from '../../../src/compiler/compile.ts';
import { canonical } from '../../../src/compiler/float/canonical.ts';
import { readOnnx } from '../../../src/compiler/onnx.ts';
import { writeOnnx } from '../../../src/compiler/onnx-write.ts';
import { withoutFinalActivation } from '../../../src/compiler/quantise/describe.ts';
import { quantise } from '../../../src/compiler/quantise/index.ts';
import { imageOf } from '../../networks/inputs.ts';
import { BENCHED, FILES } from './networks.ts';
import { sharesOf } from './shares.ts';
import type { Step, StepResult, Timed } from './steps.ts';

const [step, id, folder, samples] = process.argv.slice(2) as [Step, string, string, string | undefined];
const network = BENCHED.find((n) => n.id === id);
if (network === undefined) throw new Error(`no network '${id}'`);
const start = performance.now();

/** maxRSS would begin at what the parent had when it forked; Linux tells this process's own as well. Both are in kibibytes. */
function peak(): number {
  const own = existsSync('/proc/self/status') ? /VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] : undefined;
  return 1024 * Number(own ?? process.resourceUsage().maxRSS);
}

/** This process's own time beside the clock's: others may share the processor. */
const timed = (): Timed => ({ seconds: (performance.now() - start) / 1000, cpuSeconds: (process.cpuUsage().user + process.cpuUsage().system) / 1e6, peakBytes: peak() });
/** Set before what is written for the next step alone. */
let time: Timed | undefined;
const file = (name: keyof typeof FILES): string => join(folder, FILES[name]);

async function run(): Promise<Omit<StepResult, keyof Timed>> {
  switch (step) {
    case 'generate': {
      writeFileSync(file('exported'), writeOnnx(network!.make()));
      return {};
    }
    case 'import': {
      const { model, notes } = canonical(readOnnx(readFileSync(file('exported'))));
      const whole = withoutFinalActivation(model);
      const [input] = whole.model.inputs;
      time = timed();
      writeFileSync(file('canonical'), writeOnnx(whole.model));
      return { input: input?.dims ?? [], inputName: input?.name ?? '', outputs: whole.model.outputs.map((o) => o.name), notes: [...notes, ...whole.notes] };
    }
    case 'quantise': {
      const model = readOnnx(readFileSync(file('canonical')));
      const dims = model.inputs[0]?.dims ?? [];
      const images = Array.from({ length: Number(samples) }, (_, i) => imageOf(dims, 1000 + i, network!.range));
      const { bytes, report } = await quantise(model, images);
      writeFileSync(file('int8'), bytes);
      return { chosen: report.chosen.method };
    }
    case 'compile': {
      const bytes = readFileSync(file('int8'));
      const { program, report } = compileProgram(bytes);
      writeFileSync(file('program'), program);
      const { arenaBytes, contiguousBytes, floatArenaBytes, programBytes, macs, notes } = report;
      return { arenaBytes, contiguousBytes, floatArenaBytes, programBytes, macs, ...sharesOf(report.layers), notes };
    }
  }
}

const result = await run();
process.stdout.write(`\n${JSON.stringify({ ...result, ...(time ?? timed()) })}\n`);
