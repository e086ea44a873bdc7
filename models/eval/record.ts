/** What `npm run eval -- NAME --record` keeps in a package's evaluation.json, and the tables made of it. */
import type { GuardFigures } from './guard.ts';
import type { EngineName } from './engines.ts';
import { MEASURES, type Bin, type Fidelity, type Interval, type Measures } from './figures.ts';

export const PAGE = 'docs/accuracy.md';
/** Most that the AUC may fall from fp32, and least that maps may correlate. */
export const MAX_AUC_DROP = 0.002;
export const MIN_MAP_CORRELATION = 0.98;
export const MAX_ECE = 0.03;

export type Row = Measures & Fidelity & { engine: EngineName; /** Share of images whose surest class is the right one. */ top1: number; interval95?: Interval };
export type SetFigures = { images: number; positives: number; rows: Row[] };
export type Evaluation = {
  sha256: Record<string, string>;
  threshold: { value: number; method: string };
  tolerance: number;
  val: SetFigures;
  test: SetFigures;
  /** The images of `test` that are also in MedMNIST's test split; absent where that is all or none of them. */
  testMedmnist?: SetFigures;
  /** Of `test`, evenly spaced; the RTL's figures are the golden model's where all its codes are (`equal`). */
  sample: SetFigures & { rtl: { equal: boolean; cycles: number; megahertz: number } };
  /** Of the class held against the threshold, in fp32, on `test`. */
  reliability: Bin[];
  guard?: GuardFigures;
};

export const NAMES: Readonly<Record<EngineName, string>> = { 'cpu-fp32': 'fp32', 'cpu-int8': 'int8, ONNX Runtime', golden: 'golden model', rtl: 'RTL, simulated' };

export const digits = (value: number): string => value.toFixed(4);
const figures = (row: Row): string[] => MEASURES.map((measure) => {
  const interval = row.interval95?.[measure];
  return digits(row[measure]) + (interval ? ` (${interval[0].toFixed(3)} to ${interval[1].toFixed(3)})` : '');
});
const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
export const ruled = (head: readonly string[], rows: readonly (readonly string[])[]): string => [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');

/** Markdown: rows of images by engine, against the labels. */
export function resultTable(sets: readonly (readonly [string, SetFigures])[]): string {
  return ruled(['rows', 'engine', 'AUC', 'accuracy', 'sensitivity', 'specificity', 'ECE'], sets.flatMap(([name, { rows }]) => rows.map((row) => [name, NAMES[row.engine], ...figures(row)])));
}

/** Markdown: engines against fp32. */
export function fidelityTable(sets: readonly (readonly [string, SetFigures])[]): string {
  return ruled(
    ['rows', 'engine', 'AUC', 'same decision', 'largest \\|Δp\\|', 'mean \\|Δp\\|', 'map correlation, mean (least)'],
    sets.flatMap(([name, { rows }]) => rows.filter(({ engine }) => engine !== 'cpu-fp32').map((row) => [name, NAMES[row.engine], digits(row.auc), digits(row.labelAgreement), digits(row.maxDelta), digits(row.meanDelta), row.mapCorrelation === null ? 'none' : `${digits(row.mapCorrelation.mean)} (${digits(row.mapCorrelation.least)})`])),
  );
}

export const setsOf = (e: Evaluation): (readonly [string, SetFigures])[] => [
  [`test, ${e.test.images} images`, e.test],
  ...(e.testMedmnist ? [[`of these, the ${e.testMedmnist.images} in MedMNIST's test split`, e.testMedmnist] as const] : []),
  [`validation, ${e.val.images} images`, e.val],
];
export const comparedOf = (e: Evaluation): (readonly [string, SetFigures])[] => [[`test, ${e.test.images} images`, e.test], [`${e.sample.images} of them, evenly spaced`, e.sample]];

/** `eval_metrics` of metadata.json: names as the Models page reads them. */
export function metricsOf(e: Evaluation): Record<string, number> {
  const metrics: Record<string, number> = {};
  const short = { 'cpu-fp32': 'fp32', 'cpu-int8': 'int8', golden: 'board', rtl: 'board' } as const;
  for (const [name, set] of [['test', e.test], ['test_medmnist', e.testMedmnist]] as const) {
    for (const row of set?.rows ?? []) {
      for (const measure of MEASURES) metrics[`${name}_${short[row.engine]}_${measure}`] = row[measure];
      if (row.engine !== 'golden') continue;
      metrics[`${name}_label_agreement`] = row.labelAgreement;
      metrics[`${name}_max_difference`] = row.maxDelta;
      if (row.mapCorrelation) metrics[`${name}_map_correlation`] = row.mapCorrelation.mean;
    }
  }
  return metrics;
}
