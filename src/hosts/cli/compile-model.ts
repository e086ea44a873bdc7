/** `fabriclens compile`: an ONNX file and calibration images to a model package; prints what it made and what quantisation cost. */
import { CompileError } from '../../compiler/error.ts';
import { addModel, type AddedModel } from '../add-model.ts';
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
const SHOWN = 40;
const WORST = 5;

const decibels = (value: number | null): string => (value === null ? '–' : value.toFixed(1));
const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
const whole = (value: number | null): string => (value === null ? '–' : Math.round(value).toLocaleString('en'));
const shape = (dims: readonly number[]): string => dims.join('×');

function layerTable({ layers, totals }: AddedModel): string[] {
  const rows = layers.slice(0, SHOWN).map((row) => [
    clip(row.name, 20), clip(row.operator, 16), row.target === 'address' ? 'addr.' : row.target, shape(row.output), (row.macs / 1e6).toFixed(1),
    row.within === null ? whole(row.cycles) : '″', row.utilisation === null ? '' : `${(100 * row.utilisation).toFixed(0)} %`, row.ms === null ? '' : row.ms.toFixed(2), decibels(row.sqnr),
  ]);
  const total = ['total', '', '', '', (totals.macs / 1e6).toFixed(1), whole(totals.cycles), totals.utilisation === null ? '' : `${(100 * totals.utilisation).toFixed(0)} %`, totals.ms === null ? '' : totals.ms.toFixed(2), ''];
  const more = layers.length > SHOWN ? [`  … ${layers.length - SHOWN} more in report.json`] : [];
  return [...table([['layer', 'operator', 'runs', 'output', 'MMAC', 'cycles', 'used', 'ms', 'SQNR dB'], ...rows, total], 4), ...more];
}

function proofText({ rule, golden, labelAgreement, maxDelta }: AddedModel['proof']): string[] {
  const places = (compared: number, of: number): string => (compared === of ? `all ${whole(of)} values` : `${whole(compared)} of ${whole(of)} values`);
  return [
    ...(labelAgreement === null || maxDelta === null ? [] : [`Same label as fp32 on ${percent(labelAgreement)} of the samples, largest difference of a probability ${maxDelta.toFixed(4)}`]),
    rule.state === 'kept'
      ? `Proof: ${places(rule.compared, rule.of)} of ${rule.layers.length} stages on ${rule.samples} ${rule.samples === 1 ? 'sample' : 'samples'} are the exact reference's (${whole(rule.nearTies)} near a tie)`
      : `Proof: not run. ${rule.why}`,
    ...(rule.state === 'kept' ? rule.left.map((line) => `Not looked at: ${line}`) : []),
    golden.state === 'ok'
      ? `Golden model against ONNX Runtime on ${golden.samples} samples: largest difference ${golden.all.maxDifference.toPrecision(3)} (its optimisations on), ${golden.disabled.maxDifference.toPrecision(3)} (off)`
      : `Golden model: not run. ${golden.why}`,
  ];
}

function text(report: AddedModel): string {
  const { package: folder, quantisation: { by, chosen, samples, heldOut, heldOutUnseen, outputs, worst }, core, layers, totals, advice, proof, notes } = report;
  const how = chosen === null ? 'scales of the file' : `${chosen.method}${chosen.biasCorrection ? ', biases corrected' : ''}${chosen.equalised ? ', channels equalised' : ''}`;
  const poorest = worst.slice(0, WORST).flatMap((name) => layers.find((row) => row.name === name) ?? []);
  return `${[
    ...layerTable(report),
    `Cycles: ${core.source}, ${core.megahertz} MHz (${core.clockFrom}, proven on no board), ${core.bytesPerSecond / 1e9} GB/s, ${core.latencyNs} ns`,
    `${by === 'here' ? 'Calibration' : 'Quantised already'}: ${samples} samples, ${how}; measured on ${heldOut} of them${heldOutUnseen ? ' that it had not seen' : ', too few to keep some apart'}`,
    ...(poorest.length === 0 ? [] : table([['worst layers', 'operator', 'SQNR dB', 'its own dB', 'saturated'], ...poorest.map((l) => [clip(l.name, 24), clip(l.operator, 24), decibels(l.sqnr), decibels(l.ownSqnr), percent(l.saturation ?? 0)])], 2)),
    ...outputs.map((o) => `${o.name}: ${decibels(o.sqnr)} dB against fp32, largest difference ${o.maxDifference.toPrecision(3)}`),
    ...proofText(proof),
    `Program: ${(totals.programBytes / 1000).toFixed(1)} kB, ${(totals.arenaBytes / 1000).toFixed(1)} kB of activations, ${totals.layers.PL} layers on the PL, ${totals.layers.PS} on the PS, ${totals.layers.address} by address; ${percent(totals.macs === 0 ? 0 : totals.macsOnPl / totals.macs)} of ${(totals.macs / 1e6).toFixed(2)} MMAC on the PL`,
    ...advice.map(({ message }) => `advice: ${message}`),
    ...notes.map((note) => `note: ${note}`),
    `Written: ${folder}`,
  ].join('\n')}\n`;
}

const clip = (name: string, length: number): string => (name.length <= length ? name : `…${name.slice(1 - length)}`);
