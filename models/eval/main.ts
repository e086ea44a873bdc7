/**
 * `npm run eval -- NAME [--engine cpu-fp32,cpu-int8,golden,rtl] [--sample 20] [--json] [--record]`: recomputes every figure of a package's card from the package and
 * the test data (FABRICLENS_DATA), through the product's own preprocessing. --record writes evaluation.json, CARD.md, reliability.svg and the page's table.
 * `npm run eval -- NAME --decide`, before, when a network is new: threshold, tolerance and heat map on validation rows, into metadata.json.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { writeCard, writePage } from './card.ts';
import { decide } from './decide.ts';
import { ENGINES, type EngineName } from './engines.ts';
import { evaluate } from './evaluate.ts';
import { changeMetadata, inPackage, readEvaluated, rounded } from './package.ts';
import { comparedOf, fidelityTable, metricsOf, resultTable, setsOf } from './record.ts';
import { EVALUATED } from './sets.ts';

const { values, positionals: [name] } = parseArgs({
  allowPositionals: true,
  options: {
    engine: { type: 'string', default: ENGINES.join(',') }, sample: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false }, record: { type: 'boolean', default: false }, decide: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stderr.write(`eval: ${line}\n`);
const known = Object.keys(EVALUATED).join(', ');
if (name === undefined || !Object.hasOwn(EVALUATED, name)) throw new Error(`Name a package to evaluate: ${known}.`);
const asked = values.engine.split(',');
const wrong = asked.find((engine) => !(ENGINES as readonly string[]).includes(engine));
if (wrong !== undefined) throw new Error(`There is no engine "${wrong}"; there is ${ENGINES.join(', ')}.`);
const engines = new Set(asked as EngineName[]);
const sample = Number(values.sample);
if (!Number.isInteger(sample) || sample < 1) throw new Error(`--sample is a number of images, not "${values.sample}".`);
// The RTL is held against the golden model.
if (engines.has('rtl')) engines.add('golden');
if (values.record && engines.size < ENGINES.length) throw new Error('A record is of all engines: leave --engine out.');

if (values.decide) {
  await decide(readEvaluated(name), say);
} else {
  const result = rounded(await evaluate(readEvaluated(name), { engines, sample, say }));
  process.stdout.write(values.json ? `${JSON.stringify(result, null, 1)}\n` : `${resultTable(setsOf(result))}\n\n${fidelityTable(comparedOf(result))}\n${result.guard ? `\n${JSON.stringify(result.guard, null, 1)}\n` : ''}`);
  if (engines.has('rtl') && !result.sample.rtl.equal) {
    say('the simulated core and the golden model differ');
    process.exitCode = 1;
  } else if (values.record) {
    writeFileSync(inPackage(name, 'evaluation.json'), `${JSON.stringify(result, null, 1)}\n`);
    changeMetadata(name, (json) => void (json.eval_metrics = metricsOf(result)));
    writeCard(name);
    if (name === 'pneumonia') writePage();
  }
}
