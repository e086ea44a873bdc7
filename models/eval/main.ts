/**
 * `npm run eval -- NAME [--engine cpu-fp32,cpu-int8,golden,rtl] [--sample 20] [--json] [--record]`: recomputes every figure of a package's card from the package and
 * the test data (FABRICLENS_DATA; a detector's is models/eval/phantoms), through the product's own preprocessing. --record writes evaluation.json, CARD.md,
 * reliability.svg and the page's table. --sample: images for the RTL (20, of a detector 2: half a minute each).
 * `npm run eval -- NAME --decide`, before, when a network is new: threshold, tolerance and heat map on validation rows, into metadata.json.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { writeCard, writePage } from './card.ts';
import { decide } from './decide.ts';
import { decideDetector, evaluateDetector } from './detector.ts';
import { boxMetrics, boxTables, detectorCard } from './detector-card.ts';
import { ENGINES, type EngineName, type RtlRun } from './engines.ts';
import { evaluate } from './evaluate.ts';
import { changeMetadata, inPackage, readClassifier, readDetector, rounded } from './package.ts';
import { comparedOf, fidelityTable, metricsOf, resultTable, setsOf } from './record.ts';
import { CLASSIFIERS, DETECTORS } from './sets.ts';

const { values, positionals: [name] } = parseArgs({
  allowPositionals: true,
  options: {
    engine: { type: 'string', default: ENGINES.join(',') }, sample: { type: 'string' },
    json: { type: 'boolean', default: false }, record: { type: 'boolean', default: false }, decide: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stderr.write(`eval: ${line}\n`);
const known = [...Object.keys(CLASSIFIERS), ...DETECTORS].join(', ');
if (name === undefined || !(Object.hasOwn(CLASSIFIERS, name) || DETECTORS.includes(name))) throw new Error(`Name a package to evaluate: ${known}.`);
const asked = values.engine.split(',');
const wrong = asked.find((engine) => !(ENGINES as readonly string[]).includes(engine));
if (wrong !== undefined) throw new Error(`There is no engine "${wrong}"; there is ${ENGINES.join(', ')}.`);
const engines = new Set(asked as EngineName[]);
const detects = DETECTORS.includes(name);
const sample = Number(values.sample ?? (detects ? 2 : 20));
if (!Number.isInteger(sample) || sample < 1) throw new Error(`--sample is a number of images, not "${values.sample ?? ''}".`);
// The RTL is held against the golden model.
if (engines.has('rtl')) engines.add('golden');
if (values.record && engines.size < ENGINES.length) throw new Error('A record is of all engines: leave --engine out.');

if (values.decide) await (detects ? decideDetector(readDetector(name), say) : decide(readClassifier(name), say));
else if (detects) {
  const result = rounded(await evaluateDetector(readDetector(name), { engines, sample, say }));
  tell(result, boxTables(result));
  if (kept(result)) {
    changeMetadata(name, (json) => void (json.eval_metrics = boxMetrics(result)));
    writeFileSync(inPackage(name, 'CARD.md'), detectorCard(name));
  }
} else {
  const result = rounded(await evaluate(readClassifier(name), { engines, sample, say }));
  tell(result, `${resultTable(setsOf(result))}\n\n${fidelityTable(comparedOf(result))}${result.guard ? `\n\n${JSON.stringify(result.guard, null, 1)}` : ''}`);
  if (kept(result)) {
    changeMetadata(name, (json) => void (json.eval_metrics = metricsOf(result)));
    writeCard(name);
    if (name === 'pneumonia') writePage();
  }
}

function tell(result: object, tables: string): void {
  process.stdout.write(`${values.json ? JSON.stringify(result, null, 1) : tables}\n`);
}

/** Writes evaluation.json, where that is asked and nothing speaks against it. */
function kept(result: { readonly sample: { readonly rtl: RtlRun } }): boolean {
  if (engines.has('rtl') && !result.sample.rtl.equal) {
    say('the simulated core and the golden model differ');
    process.exitCode = 1;
    return false;
  }
  if (values.record) writeFileSync(inPackage(name!, 'evaluation.json'), `${JSON.stringify(result, null, 1)}\n`);
  return values.record;
}
