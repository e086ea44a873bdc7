/** What the core's figures are held against (issue 3). */
import type { Measured, NetworkResult } from './measure.ts';

/** Multiply-accumulates that the default array does in a cycle. */
export const MACS_A_CYCLE = 384;
export type Verdict = { readonly text: string; readonly met: boolean };

/** A figure and its bound; `most`: the figure may not exceed it. */
function held(name: string, figure: number, bound: number, unit: string, most: boolean, digits = 2): Verdict {
  const met = most ? figure <= bound : figure >= bound;
  const by = (100 * Math.abs(figure - bound)) / bound;
  return { text: `${name}: ${figure.toFixed(digits)} ${unit} (aim ${most ? '≤' : '≥'} ${bound} ${unit}), ${met ? 'met' : 'missed'} by ${by.toFixed(1)} %`, met };
}

const at = (result: NetworkResult, clockMHz: number): Measured | undefined => result.measured.find((m) => m.setting.clockMHz === clockMHz && m.setting.bytesPerSecond === 1e9);
const percent = (macs: number, cycles: number): number => (100 * macs) / MACS_A_CYCLE / cycles;

/** Of the whole network, memory on, at a clock. */
const AIMS: Readonly<Record<string, { readonly clockMHz: number; readonly ms: number; readonly utilisation?: number }>> = {
  yolov5s: { clockMHz: 100, ms: 238, utilisation: 90 },
  'yolov5s-s2d': { clockMHz: 100, ms: 238, utilisation: 90 },
  resnet18: { clockMHz: 100, ms: 52.5, utilisation: 90 },
  resnet8: { clockMHz: 100, ms: 0.45 },
  'tiny-yolov3': { clockMHz: 150, ms: 54 },
};
const DEPTHWISE_MACS_A_CYCLE = 48;
/** Of the golden model on one core of this computer, in seconds. */
const GOLDEN: Readonly<Record<string, number>> = { yolov5s: 2.5, 'resnet18-half': 0.12 };
/** Of the cycle model's distance to the RTL. */
const MODEL_NETWORK_PERCENT = 1;
const MODEL_LAYER_PERCENT = 2;
const MODEL_LAYER_CYCLES = 64;

function ofCycles(result: NetworkResult): Verdict[] {
  const aim = AIMS[result.id];
  const measured = aim && at(result, aim.clockMHz);
  if (aim === undefined || measured === undefined) return [];
  const source = measured.source === 'model' ? ' (cycle model)' : '';
  return [
    ...(aim.utilisation === undefined ? [] : [held(`utilisation${source}`, percent(result.macs, measured.cycles), aim.utilisation, '%', false, 1)]),
    held(`time at ${aim.clockMHz} MHz${source}`, measured.ms, aim.ms, 'ms', true),
  ];
}

/** All of a network's depthwise layers: the array does 48 MAC a cycle there; memory, with at most 4.5 of them a byte for 3 x 3, allows fewer. */
function ofDepthwise(result: NetworkResult): Verdict[] {
  const measured = at(result, 100);
  if (measured === undefined) return [];
  const layers = result.layers.flatMap(({ op, macs, output: [height, width, channels] }, i) => {
    const { readBytes = 0, writtenBytes = 0, weightBytes = 0 } = result.plan[i] ?? {};
    // 1 x 1 is one multiplication a value.
    return op === 'DEPTHWISE' && macs > height * width * channels ? [{ macs, cycles: measured.layers[i]?.cycles ?? 0, bytes: readBytes + writtenBytes + weightBytes }] : [];
  });
  if (layers.length === 0) return [];
  const sum = (key: 'macs' | 'cycles' | 'bytes'): number => layers.reduce((total, layer) => total + layer[key], 0);
  const memory = (sum('macs') / sum('bytes')) * (measured.setting.bytesPerSecond / (measured.setting.clockMHz * 1e6));
  const verdict = held('depthwise layers together', sum('macs') / sum('cycles'), DEPTHWISE_MACS_A_CYCLE, 'MAC a cycle', false, 1);
  return [{ ...verdict, text: `${verdict.text}; memory allows ${memory.toFixed(1)}` }];
}

/** How far the cycle model is from the RTL, over all settings. */
function ofModel(result: NetworkResult): Verdict[] {
  const rtl = result.measured.filter((m) => m.source === 'rtl');
  if (rtl.length === 0) return [];
  const off = (a: number, b: number): number => (100 * Math.abs(a - b)) / b;
  const network = Math.max(...rtl.map((m) => off(m.modelCycles, m.cycles)));
  const layers = rtl.flatMap((m) => m.layers).filter((l) => l.cycles > 0 && Math.abs(l.modelCycles - l.cycles) > MODEL_LAYER_CYCLES);
  return [
    held('cycle model beside RTL', network, MODEL_NETWORK_PERCENT, '%', true, 3),
    held(`cycle model, worst layer beyond ${MODEL_LAYER_CYCLES} cycles`, Math.max(0, ...layers.map((l) => off(l.modelCycles, l.cycles))), MODEL_LAYER_PERCENT, '%', true, 3),
  ];
}

function ofGolden(result: NetworkResult): Verdict[] {
  const bound = GOLDEN[result.id];
  return bound === undefined ? [] : [held('golden model here, one core', result.goldenSeconds, bound, 's', true, 3)];
}

export function verdicts(result: NetworkResult): Verdict[] {
  const different = result.measured.filter((m) => m.source === 'rtl' && m.difference !== '');
  return [
    ...different.map((m) => ({ text: `NOT EQUAL to the golden model at ${m.setting.clockMHz} MHz: ${m.difference}`, met: false })),
    ...ofCycles(result), ...ofDepthwise(result), ...ofModel(result), ...ofGolden(result),
  ];
}
