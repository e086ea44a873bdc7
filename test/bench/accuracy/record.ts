/** What `npm run bench:accuracy -- --record` keeps, and the table of it in docs/accuracy.md. */
import type { Figures } from './figures.ts';

export const RECORD = 'models/accuracy.json';
export const PAGE = 'docs/accuracy.md';
/** Most that the AUC may fall from fp32. */
export const MAX_AUC_DROP = 0.003;

export type Row = Figures & { engine: 'fp32' | 'int8, ONNX Runtime' | 'golden model' | 'RTL, simulated' };
/** `rtlEqual`: every output code of the simulated core is the golden model's. */
export type Accuracy = { sha256: Record<string, string>; threshold: number; rows: Row[]; sample: Row[]; rtlEqual: boolean };

const line = ({ engine, images, auc, accuracy, labelAgreement, maxDelta }: Row): string =>
  `| ${engine} | ${images} | ${auc.toFixed(4)} | ${accuracy.toFixed(4)} | ${labelAgreement.toFixed(4)} | ${maxDelta.toFixed(4)} |`;

/** Markdown. */
export function tableOf({ rows, sample }: Accuracy): string {
  const head = ['| | images | AUC | accuracy | same decision as fp32 | largest \\|Δp\\| |', '|---|---|---|---|---|---|'];
  return [...head, ...rows.map(line), ...sample.map((row) => line(row).replace(row.engine, `${row.engine}, sample`))].join('\n');
}
