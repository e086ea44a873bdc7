/** `fabriclens compile`: an ONNX file and calibration images to a model package; prints what it made and what quantisation cost. */
import { CompileError } from '../../compiler/error.ts';
import { addModel, type AddModelReport } from '../add-model.ts';
import type { Resources } from '../resources.ts';
import type { CompileModelCommand } from './options.ts';
import { createProgress } from './progress.ts';
import { table } from './table.ts';
import { EXIT, plain, type Terminal } from './terminal.ts';

export async function compileModel(command: CompileModelCommand, resources: Resources, { stdout, stderr }: Terminal, signal: AbortSignal): Promise<number> {
  const progress = createProgress(stderr, command.progress);
  try {
    const report = await addModel({ ...command, signal, onProgress: ({ step, done, total }) => progress.show(total > 1 ? `${step}: ${done} of ${total}` : step) }, resources);
    progress.clear();
    if (command.json) stdout.write(`${JSON.stringify({ type: 'package', ...report })}\n`);
    else {
      for (const { message } of report.skipped) stderr.write(plain(`fabriclens: left out: ${message}\n`));
      stdout.write(plain(text(report)));
    }
    return EXIT.ok;
  } catch (error) {
    progress.clear();
    if (signal.aborted) {
      stderr.write('fabriclens: stopped; nothing was written\n');
      return EXIT.interrupted;
    }
    if (!(error instanceof CompileError)) throw error;
    if (command.json) stdout.write(`${JSON.stringify({ type: 'problem', file: command.model, code: 'not-compiled', node: error.node, message: error.message })}\n`);
    else stderr.write(plain(`fabriclens: ${command.model}: ${error.message}\n`));
    return EXIT.someFailed;
  }
}

/** Layers that are shown; report.json has them all. */
const SHOWN = 10;

const decibels = (value: number | null): string => (value === null ? '–' : value.toFixed(1));
const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

function text({ package: folder, quantisation, program, proof, notes }: AddModelReport): string {
  const { chosen, layers, outputs, samples, heldOut, heldOutUnseen } = quantisation;
  const { golden } = proof;
  const onPl = program.layers.filter((l) => l.target === 'PL');
  const macs = onPl.reduce((sum, l) => sum + l.macs, 0);
  return `${[
    `Calibration: ${samples} samples, ${chosen.method}${chosen.biasCorrection ? ', biases corrected' : ''}${chosen.equalised ? ', channels equalised' : ''}; measured on ${heldOut} of them${heldOutUnseen ? ' that it had not seen' : ', too few to keep some apart'}`,
    ...table([['worst layers', 'operator', 'SQNR dB', 'its own dB', 'saturated'], ...layers.slice(0, SHOWN).map((l) => [clip(l.name), clip(l.operator), decibels(l.sqnr), decibels(l.ownSqnr), percent(l.saturation)])], 2),
    ...outputs.map((o) => `${o.name}: ${decibels(o.sqnr)} dB against fp32, largest difference ${o.maxDifference.toPrecision(3)}`),
    `Same label as fp32 on ${percent(proof.labelAgreement)} of the samples, largest difference of a probability ${proof.maxDelta.toFixed(4)}`,
    golden.state === 'ok'
      ? `Golden model against ONNX Runtime on ${golden.samples} samples: largest difference of a class score ${golden.all.maxDifference.toPrecision(3)} (its optimisations on), ${golden.disabled.maxDifference.toPrecision(3)} (off)`
      : `Golden model: not run. ${golden.why}`,
    `Program: ${(program.programBytes / 1000).toFixed(1)} kB, ${(program.arenaBytes / 1000).toFixed(1)} kB of activations, ${onPl.length} of ${program.layers.length} layers and ${percent(program.macs === 0 ? 0 : macs / program.macs)} of ${(program.macs / 1e6).toFixed(2)} MMAC on the PL`,
    ...notes.map((note) => `note: ${note}`),
    `Written: ${folder}`,
  ].join('\n')}\n`;
}

const clip = (name: string): string => (name.length <= 24 ? name : `…${name.slice(-23)}`);
