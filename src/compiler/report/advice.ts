/** What would help most: sentences with stable codes, the most useful first. Thresholds are judgement, and stand here. */
import type { AddModelReport, Advice, AdviceCode } from '../../contract/report.ts';

export type Findings = Pick<AddModelReport, 'layers' | 'totals' | 'roofline' | 'quantisation' | 'proof'> & {
  /** Contiguous memory that the core needs. */
  readonly contiguousBytes: number;
};

/** Share of all cycles below which nobody need care. */
const NOTICEABLE = 0.05;
const HALF_USED = 0.5;
/** A real board had 42 MB of contiguous memory free. */
const CONTIGUOUS_LIMIT = 40e6;
/** dB: below, a network's int8 says little more than sign and size; what one layer alone may add to that. */
const POOR_SQNR = 15;
const POOR_OWN_SQNR = 30;
const SATURATED = 0.01;
const ENOUGH_SAMPLES = 20;

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

/** Placeholders {{name}} of the sentence are its values. */
const SENTENCES: Readonly<Record<AdviceCode, string>> = {
  'labels-differ': 'Only {{agreement}} of the samples have the same label in fp32 and int8. Calibrate with more images like those in use, or keep the worst layers in fp32 (--float).',
  'large-arena': 'The core needs {{megabytes}} MB of contiguous memory; a board may have no more than {{limit}} MB. Take a smaller image, or pin large layers to the PS.',
  'on-ps': '{{layers}} of the layers run on the processor ({{first}} first: {{reason}}), {{share}} of the multiplications.',
  'memory-bound': '{{layers}} layers ({{first}} first) wait for memory in {{share}} of the cycles: fewer weights or larger tensors a weight would help there, a faster clock would not.',
  'low-utilisation': '{{layers}} layers ({{first}} first) use less than half of the array in {{share}} of the cycles: channels in multiples of 16 and fewer depthwise layers would help.',
  'worst-layer': '{{layer}} loses most in int8 by itself, {{sqnr}} dB. Keeping it in fp32 (--float {{layer}}) would help accuracy, at the cost of time on the processor.',
  'saturated': '{{saturation}} of what {{layer}} computes lies beyond its int8 range. Calibrate with more images, or with --method minmax.',
  'few-samples': 'Calibrated with {{samples}} samples; {{wanted}} or more of different patients make better scales.',
  'all-on-pl': 'Every multiplication runs on the PL, {{milliseconds}} ms by the cycle model, its array used to {{share}}.',
};

function advice(code: AdviceCode, values: Record<string, string>): Advice {
  return { code, message: SENTENCES[code].replace(/\{\{(\w+)\}\}/g, (_, name: string) => values[name] ?? ''), values };
}

export function adviceOf({ layers, totals, roofline, quantisation, proof, contiguousBytes }: Findings): Advice[] {
  const found: Advice[] = [];
  if (proof.labelAgreement !== null && proof.labelAgreement < 0.98) found.push(advice('labels-differ', { agreement: percent(proof.labelAgreement) }));
  if (contiguousBytes > CONTIGUOUS_LIMIT) found.push(advice('large-arena', { megabytes: (contiguousBytes / 1e6).toFixed(1), limit: String(CONTIGUOUS_LIMIT / 1e6) }));

  const onPs = layers.filter((row) => row.target === 'PS').sort((a, b) => b.macs - a.macs);
  const [first] = onPs;
  if (first !== undefined) {
    const share = totals.macs === 0 ? 0 : 1 - totals.macsOnPl / totals.macs;
    found.push(advice('on-ps', { layers: `${onPs.length}`, first: first.name, reason: (first.reason ?? '').replace(/\.$/, ''), share: percent(share) }));
  }
  const heavy = (code: 'memory-bound' | 'low-utilisation', points: AddModelReport['roofline']['points']): void => {
    const share = points.reduce((sum, point) => sum + point.share, 0);
    const [most] = [...points].sort((a, b) => b.share - a.share);
    if (most !== undefined && share >= NOTICEABLE) found.push(advice(code, { layers: `${points.length}`, first: most.name, share: percent(share) }));
  };
  const slow = roofline.points.filter((point) => point.macsPerCycle < HALF_USED * roofline.macsPerCycle);
  heavy('memory-bound', slow.filter((point) => point.bound === 'memory'));
  heavy('low-utilisation', slow.filter((point) => point.bound === 'compute'));

  // Errors add up on the way: where a layer is far from fp32, the one to keep in fp32 is that which loses most by itself, if any does.
  const [worst] = layers.filter((row) => row.ownSqnr !== null && row.sqnr !== null).sort((a, b) => (a.ownSqnr ?? 0) - (b.ownSqnr ?? 0));
  const isPoor = layers.some((row) => row.name === quantisation.worst[0] && (row.sqnr ?? POOR_SQNR) < POOR_SQNR);
  if (isPoor && worst !== undefined && (worst.ownSqnr ?? 0) < POOR_OWN_SQNR) found.push(advice('worst-layer', { layer: worst.name, sqnr: (worst.ownSqnr ?? 0).toFixed(1) }));
  const [saturated] = layers.filter((row) => (row.saturation ?? 0) > SATURATED).sort((a, b) => (b.saturation ?? 0) - (a.saturation ?? 0));
  if (saturated !== undefined) found.push(advice('saturated', { layer: saturated.name, saturation: percent(saturated.saturation ?? 0) }));
  if (quantisation.by === 'here' && quantisation.samples < ENOUGH_SAMPLES) found.push(advice('few-samples', { samples: `${quantisation.samples}`, wanted: `${ENOUGH_SAMPLES}` }));
  if (onPs.length === 0 && totals.ms !== null && totals.utilisation !== null) found.push(advice('all-on-pl', { milliseconds: totals.ms.toFixed(2), share: percent(totals.utilisation) }));
  return found;
}
