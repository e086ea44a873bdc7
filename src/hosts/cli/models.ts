/** `fabriclens models`: the packages there are, and what is wrong with the others. */
import type { ModelMetadata } from '../../contract/model.ts';
import { loadPackages, type LoadedPackage } from '../../review/index.ts';
import type { Resources } from '../resources.ts';
import type { ModelsCommand } from './options.ts';
import { table, wrap } from './table.ts';
import { EXIT, plain, type Terminal } from './terminal.ts';

export async function models({ modelsDir, json }: ModelsCommand, resources: Resources, { stdout, stderr }: Terminal): Promise<number> {
  const { packages, problems } = await loadPackages(modelsDir ?? resources.modelsDir);
  if (json) {
    stdout.write(`${JSON.stringify({ models: packages.map(summary), problems })}\n`);
  } else {
    for (const pkg of packages) stdout.write(plain(`${text(pkg).join('\n')}\n`));
    for (const { message } of problems) stderr.write(plain(`fabriclens: ${message}\n`));
  }
  if (problems.length > 0) return EXIT.someFailed;
  if (packages.length === 0) stderr.write(`fabriclens: There is no model package in ${modelsDir ?? resources.modelsDir}.\n`);
  return packages.length > 0 ? EXIT.ok : EXIT.usage;
}

const summary = ({ dir, metadata, engines }: LoadedPackage): object => ({ name: metadata.fabriclens.name, version: metadata.version, folder: dir, engines, sha256: metadata.fabriclens.sha256, metrics: metadata.eval_metrics, ...rule(metadata) });

const rule = ({ fabriclens }: ModelMetadata): object => (fabriclens.task === 'detection' ? { task: fabriclens.task, detection: fabriclens.detection } : { task: fabriclens.task, threshold: fabriclens.threshold });

function text({ metadata, engines, dir }: LoadedPackage): string[] {
  const { fabriclens } = metadata;
  const { name, title, labels, intended } = fabriclens;
  const decision = fabriclens.task === 'detection'
    ? ['boxes', `from a score of ${fabriclens.detection.scoreThreshold} on; overlaps of more than ${fabriclens.detection.iouThreshold} suppressed; at most ${fabriclens.detection.maxDetections}`]
    : ['threshold', `${fabriclens.threshold.value} on ${labels[fabriclens.threshold.classIndex]!.name}`];
  return [
    `${name} ${metadata.version}: ${title.en}`,
    ...wrap(intended.text.en, '  '),
    ...table([
      ['classes', labels.map((l) => l.name).join(', ')],
      decision,
      ['engines', engines.join(', ')],
      ['folder', dir],
    ], 2),
  ];
}
