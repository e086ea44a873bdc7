/** Results for a terminal: aligned, with units, within 100 columns. */
import { basename } from 'node:path';
import type { BoxAgreement, ClassificationComparison, ClassificationRun, Comparison, DetectionComparison, PartTiming, Run, RunOk } from '../../contract/engine.ts';
import { plain } from './terminal.ts';

export const WIDTH = 100;

export interface ImageResult {
  /** As the person named it. */
  path: string;
  frames: number;
  comparison: Comparison;
  labels: readonly string[];
}

export function resultText({ path, frames, comparison, labels }: ImageResult): string {
  const { warnings, runs, model, frame } = comparison;
  const lines = [`${fromTheRight(path, WIDTH - 24)}${frames > 1 ? `  frame ${frame + 1} of ${frames}` : ''}  [${model}]`];
  for (const { message } of warnings) lines.push(...wrap(`! ${message}`, '  '));
  lines.push(...(comparison.task === 'detection' ? detections(comparison, labels) : [...answers(comparison, labels), ...verdict(comparison, labels)]), ...moves(runs), ...failures(runs), ...latencies(runs.filter((run): run is RunOk => run.state === 'ok')));
  return plain(`${lines.join('\n')}\n`);
}

/** Whose numbers a column has: of a run that moved to this computer, not the board's. */
const columnOf = ({ engine, identity }: RunOk): string => (identity.engine === engine ? engine : `${engine}→${identity.engine}`);

const moves = (runs: readonly Run[]): string[] =>
  runs.flatMap((run) => (run.state === 'ok' && run.moved ? wrap(`! ${run.engine} moved: ${run.moved.from} was lost, ${run.moved.to} answered instead. ${run.moved.reason}`, '  ') : []));

/** What the probability held against the threshold says. */
export function decision(run: ClassificationRun, { threshold }: ClassificationComparison, labels: readonly string[]): string {
  const positive = run.probabilities[threshold.classIndex]! >= threshold.value;
  const label = labels[threshold.classIndex]!;
  if (positive) return label;
  return labels.length === 2 ? labels[1 - threshold.classIndex]! : `not ${label}`;
}

/** Classes worth a column: all of a few, else the thresholded one and the likeliest of each run. */
function shownClasses({ runs, threshold }: ClassificationComparison, labels: readonly string[]): number[] {
  if (labels.length <= 3) return labels.map((_, i) => i);
  const top = runs.flatMap((run) => (run.state === 'ok' ? [run.probabilities.indexOf(Math.max(...run.probabilities))] : []));
  return [...new Set([threshold.classIndex, ...top])].slice(0, 3);
}

function answers(comparison: ClassificationComparison, labels: readonly string[]): string[] {
  const { runs, threshold } = comparison;
  const classes = shownClasses(comparison, labels);
  const reference = runs[0]?.state === 'ok' ? runs[0] : undefined;
  const rows = runs.flatMap((run) => {
    if (run.state === 'failed') return [];
    const delta = reference && run !== reference ? signed(run.probabilities[threshold.classIndex]! - reference.probabilities[threshold.classIndex]!) : '';
    return [[columnOf(run), short(decision(run, comparison, labels), 13), ...classes.map((c) => run.probabilities[c]!.toFixed(4)), delta, milliseconds(run.total.p50), milliseconds(run.total.p95), String(run.repeats)]];
  });
  if (rows.length === 0) return [];
  const head = ['engine', 'decision', ...classes.map((c) => `p(${short(labels[c]!, 9)})`), 'Δ', 'p50 ms', 'p95 ms', 'runs'];
  return table([head, ...rows], 2);
}

function verdict({ runs, flips, maxDelta, tolerance, threshold }: ClassificationComparison, labels: readonly string[]): string[] {
  const answered = runs.some((run) => run.state === 'ok');
  const rule = answered ? wrap(`decision: ${short(labels[threshold.classIndex]!, 40)} from ${Number(threshold.value.toPrecision(4))} on`, '  ') : [];
  if (maxDelta === null) return rule;
  const numbers = `largest |Δp| ${maxDelta.toFixed(4)}, tolerance ${tolerance}`;
  if (flips.length > 0) return [...rule, ...wrap(`FLIP: ${flips.join(', ')} decide${flips.length === 1 ? 's' : ''} otherwise than ${runs[0]!.engine} (${numbers})`, '  ')];
  return [...rule, maxDelta <= tolerance ? `  agreement (${numbers})` : `  same decision, but probabilities differ beyond the tolerance (${numbers})`];
}

const MAX_FOUND = 40;

/** A row an engine, then a row a thing found: its score by each engine, the least overlap with the first one's box, and that box in pixels. */
function detections({ runs, groups, agreements, rule, maxDelta, tolerance }: DetectionComparison, labels: readonly string[]): string[] {
  const answered = runs.filter((run) => run.state === 'ok');
  if (answered.length === 0) return [];
  const engines = answered.map((run) => [columnOf(run), String(run.boxes.length), milliseconds(run.total.p50), milliseconds(run.total.p95), String(run.repeats)]);
  const found = groups.map(({ label, boxes }) => {
    const of = (run: (typeof answered)[number]): (typeof boxes)[number] | undefined => boxes.find(({ engine }) => engine === run.engine);
    const first = answered.find((run) => of(run))!;
    const { x, y, width, height } = first.boxes[of(first)!.index]!;
    const ious = boxes.flatMap(({ iou }) => (iou === null ? [] : [iou]));
    return [
      short(labels[label] ?? String(label), 16),
      ...answered.map((run) => run.boxes[of(run)?.index ?? -1]?.score.toFixed(4) ?? '–'),
      ious.length > 0 ? Math.min(...ious).toFixed(3) : '',
      ...[x, y, width, height].map((pixels) => pixels.toFixed(1)),
    ];
  });
  return [
    ...table([['engine', 'boxes', 'p50 ms', 'p95 ms', 'runs'], ...engines], 1),
    ...(found.length > 0
      ? [...table([['found', ...answered.map(columnOf), 'IoU', 'x', 'y', 'width', 'height'], ...found.slice(0, MAX_FOUND)], 1), ...(found.length > MAX_FOUND ? [`  … ${found.length - MAX_FOUND} more with lower scores; --json has them all`] : [])]
      : [`  nothing found above ${rule.scoreThreshold}`]),
    ...wrap(`boxes: score from ${rule.scoreThreshold} on, overlaps of more than ${rule.iouThreshold} within a class suppressed, at most ${rule.maxDetections}`, '  '),
    ...agreements.flatMap((one) => wrap(agreement(one, runs[0]!.engine), '  ')),
    ...(maxDelta !== null && maxDelta > tolerance ? wrap(`scores differ beyond the tolerance (largest |Δ| ${maxDelta.toFixed(4)}, tolerance ${tolerance})`, '  ') : []),
  ];
}

function agreement({ engine, matched, missing, extra, maxDelta, minIou }: BoxAgreement, reference: string): string {
  const same = maxDelta === null || minIou === null ? 'no box in common' : `${matched} matched (largest |Δ| ${maxDelta.toFixed(4)}, least IoU ${minIou.toFixed(3)})`;
  if (missing + extra > 0) return `FLIP: ${engine} lacks ${missing} and adds ${extra} against ${reference}; ${same}`;
  return matched === 0 ? `agreement: ${engine} finds nothing either` : `agreement: ${engine} and ${reference}, ${same}`;
}

const failures = (runs: readonly Run[]): string[] =>
  runs.flatMap((run) => (run.state === 'failed' ? wrap(`✗ ${run.engine} failed (${run.code}): ${run.message}`, '  ') : []));

function latencies(runs: readonly RunOk[]): string[] {
  const parts = [...new Set(runs.flatMap((run) => run.timings.map((t) => t.part)))].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
  const cells = (t: PartTiming | undefined): string[] => (t ? [milliseconds(t.p50), milliseconds(t.p95)] : ['', '']);
  const rows = parts.map((part) => {
    const timings = runs.map((run) => run.timings.find((t) => t.part === part));
    const sources = [...new Set(timings.flatMap((t) => (t ? [t.source] : [])))];
    return [part, sources.join('/'), ...timings.flatMap(cells)];
  });
  if (rows.length === 0) return [];
  return table([['latency, ms', 'source', ...runs.flatMap((run) => [`${columnOf(run)} p50`, 'p95'])], ...rows], 2);
}
const ORDER = ['decode', 'preprocess', 'transfer', 'queue', 'pl', 'ps', 'engine', 'post'];

/** Columns as wide as their widest cell; the first `left` are set left, numbers right. */
export function table(rows: readonly (readonly string[])[], left: number): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => `  ${row.map((cell, i) => (i < left ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')}`.trimEnd());
}

export function wrap(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    if (line.trim() !== '' && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = `${indent}  ${word}`;
    } else {
      line = line.trim() === '' ? `${indent}${word}` : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

const milliseconds = (ms: number): string => ms.toFixed(ms < 10 ? 2 : 1);
const signed = (delta: number): string => `${delta < 0 ? '−' : '+'}${Math.abs(delta).toFixed(4)}`;
const short = (text: string, length: number): string => (text.length <= length ? text : `${text.slice(0, length - 1)}…`);
const fromTheRight = (path: string, length: number): string => (path.length <= length ? path : short(`…${path.slice(-(length - 1))}`, Math.max(length, basename(path).length + 1)));
