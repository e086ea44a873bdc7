/**
 * Damaged models through the whole compiler, in a process that its parent limits: `node child.mjs KIND SEED FILES`, KIND being fp32 or qdq. A line a file on
 * stdout before it is tried, so that the parent knows which one it was; the last line is JSON.
 */
import { existsSync, readFileSync } from 'node:fs';
import { compileProgram } from '../../src/compiler/compile.ts';
import { CompileError } from '../../src/compiler/error.ts';
import { canonical } from '../../src/compiler/float/canonical.ts';
import type { OnnxModel } from '../../src/compiler/onnx.ts';
import { readOnnx } from '../../src/compiler/onnx.ts';
import { writeOnnx } from '../../src/compiler/onnx-write.ts';
import { withoutFinalActivation } from '../../src/compiler/quantise/describe.ts';
import { planQuantisation } from '../../src/compiler/quantise/plan.ts';
import { quantisationOf, quantised } from '../../src/compiler/quantise/qdq.ts';
import { canonicalQdq, isQuantised } from '../../src/compiler/quantised/index.ts';
import { random } from '../support/qdq.ts';
import { densenet121, mobilenetV2, resnet } from './classifiers.ts';
import { resnet20v2, resnet8 } from './keras-models.ts';
import { damaged } from './mutate.ts';
import { tinyYolov3, yolov5 } from './yolo.ts';

const SMALL = { size: 32, classes: 10, width: 0.25 };
const SOURCES: readonly (() => OnnxModel)[] = [
  () => resnet8({ opset: 13, seed: 1, transposes: 'plain', padding: 'pads' }),
  () => resnet20v2({ opset: 18, seed: 2, transposes: 'optimised', padding: 'auto' }),
  () => resnet(18, { style: 'dynamo', opset: 18, seed: 3, keepNorm: true }, SMALL),
  () => mobilenetV2({ style: 'numbered', opset: 11, seed: 4 }, SMALL),
  () => densenet121({ style: 'scoped', opset: 17, seed: 5 }, SMALL),
  () => yolov5('n', { style: 'scoped', opset: 17, seed: 6, head: 'shapes' }, 32),
  () => yolov5('n', { style: 'numbered', opset: 12, seed: 7, head: 'slice-raw' }, 32),
  () => tinyYolov3({ style: 'dynamo', opset: 21, seed: 8, head: 'split', pad: 'zeros', width: 0.25 }, 32),
];

/** Quantised without a run: every tensor between -4 and 4. */
function toQdq(model: OnnxModel): Uint8Array {
  const plan = planQuantisation(withoutFinalActivation(canonical(model).model).model);
  return writeOnnx(quantised(plan, quantisationOf(plan, new Map(plan.tensors.map((name) => [name, { min: -4, max: 4 }])))));
}

function compile(bytes: Uint8Array): void {
  const model = readOnnx(bytes);
  if (!isQuantised(model)) {
    compileProgram(toQdq(model));
    return;
  }
  const imported = canonicalQdq(model);
  if (imported.uncalibrated.length === 0) compileProgram(imported.bytes);
  // As it is, too: what is not canonical must be refused, not believed.
  compileProgram(bytes);
}

const [kind, seed, files] = process.argv.slice(2) as [string, string, string];
const next = random(Number(seed));
const sources = SOURCES.map((make) => (kind === 'fp32' ? writeOnnx(make()) : toQdq(make())));
let [refused, slowest] = [0, 0];
for (let n = 0; n < Number(files); n++) {
  process.stdout.write(`file ${n}\n`);
  let bytes: Uint8Array;
  try {
    bytes = damaged(sources[n % sources.length] as Uint8Array, next);
  } catch (error) {
    // The writer itself refuses some.
    if (!(error instanceof CompileError || error instanceof RangeError || error instanceof SyntaxError)) throw error;
    continue;
  }
  const start = process.cpuUsage();
  try {
    compile(bytes);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    refused++;
  }
  const { user, system } = process.cpuUsage(start);
  slowest = Math.max(slowest, (user + system) / 1e6);
}
const peakBytes = existsSync('/proc/self/status') ? 1024 * Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) : process.resourceUsage().maxRSS * 1024;
process.stdout.write(`${JSON.stringify({ refused, slowest, peakBytes })}\n`);
