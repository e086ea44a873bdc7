/** What the compiler's figures are held against (issue 4). */
import type { CompilerResult } from './measure.ts';

export type Verdict = { readonly text: string; readonly met: boolean };

/** Seconds to a program, calibration apart. */
const SECONDS: Readonly<Record<string, number>> = { resnet18: 5, 'yolov5s-640': 15 };
const ARENA_MB: Readonly<Record<string, number>> = { 'yolov5s-640': 24 };
const PEAK_MB = 2000;

const held = (name: string, figure: number, bound: number, unit: string, most: boolean, digits: number): Verdict => {
  const met = most ? figure <= bound : figure >= bound;
  return { text: `${name}: ${figure.toFixed(digits)} ${unit} (aim ${most ? '≤' : '≥'} ${bound} ${unit}), ${met ? 'met' : 'missed'}`, met };
};

export function verdicts(result: CompilerResult): Verdict[] {
  const { id, import: imported, compile, schedule } = result;
  const verdicts: Verdict[] = [];
  const [seconds, arena] = [SECONDS[id], ARENA_MB[id]];
  const all = imported.seconds + compile.seconds + (schedule?.seconds ?? result.loadSeconds);
  if (seconds !== undefined) verdicts.push(held('seconds by the clock, calibration apart', all, seconds, 's', true, 1));
  if (arena !== undefined) verdicts.push(held('arena', result.arenaBytes / 1e6, arena, 'MB', true, 2));
  if (result.id.startsWith('yolov5')) {
    verdicts.push(held('convolutions on the PL', (100 * result.plConvMacs) / result.convMacs, 100, '%', false, 2));
    verdicts.push({ text: `SPPF, upsampling, concatenation on the PL: ${result.offCore.length === 0 ? 'all, met' : `not ${result.offCore.join(', ')}, missed`}`, met: result.offCore.length === 0 });
  }
  verdicts.push(held('peak memory, calibration apart', Math.max(imported.peakBytes, compile.peakBytes) / 1e6, PEAK_MB, 'MB', true, 0));
  verdicts.push(held('peak memory of calibration', result.quantise.peakBytes / 1e6, PEAK_MB, 'MB', true, 0));
  return verdicts;
}
