/**
 * `npm run coverage:core`: runs core.test.ts on models that count lines and toggles, and prints a table of what was reached, a row a file.
 * The models take some minutes to compile. Plain Node; core.test.ts reads its own coverage of lines with the functions below.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const SIM = dirname(fileURLToPath(import.meta.url));
const ROOT = join(SIM, '../..');
const FOLDER = join(ROOT, 'build/hls/coverage');

/** What verilator_coverage makes of the named files: its text form, a line a point. */
export function merge(names) {
  const out = join(FOLDER, 'merged.dat');
  execFileSync('verilator_coverage', ['--write', out, ...names.map((name) => join(FOLDER, `${name}.dat`))], { stdio: ['ignore', 'ignore', 'inherit'] });
  return execFileSync('cat', [out], { encoding: 'utf8', maxBuffer: 2 ** 30 });
}

/** Points of one kind ('line': with branches; 'toggle') by file, each counted once however many instances it has. */
export function pointsOf(text, kind) {
  const files = new Map();
  for (const [, key, count] of text.matchAll(/^C '(.*)' (\d+)$/gm)) {
    const field = Object.fromEntries(key.split('\x01').filter((part) => part !== '').map((part) => part.split('\x02')));
    if ((field.page ?? '').startsWith('v_toggle') !== (kind === 'toggle')) continue;
    const name = basename(field.f);
    if (!files.has(name)) files.set(name, new Map());
    const points = files.get(name);
    const point = `${field.l}:${field.n}:${field.o}`;
    points.set(point, (points.get(point) ?? 0) + Number(count));
  }
  return [...files].sort().map(([name, points]) => ({
    name,
    points: points.size,
    reached: [...points.values()].filter((count) => count > 0).length,
    missed: [...points].filter(([, count]) => count === 0).map(([point]) => point),
  }));
}

function table(text) {
  const kinds = ['line', 'toggle'].map((kind) => new Map(pointsOf(text, kind).map((file) => [file.name, file])));
  const share = (file) => (file ? `${String(file.reached).padStart(6)} / ${String(file.points).padEnd(6)} ${((100 * file.reached) / file.points).toFixed(1).padStart(5)} %` : '').padStart(23);
  const total = (kind) => [...kind.values()].reduce((sum, { points, reached }) => ({ points: sum.points + points, reached: sum.reached + reached }), { points: 0, reached: 0 });
  const names = [...new Set(kinds.flatMap((kind) => [...kind.keys()]))].sort();
  const rows = [...names.map((name) => [name, ...kinds.map((kind) => share(kind.get(name)))]), ['all', ...kinds.map((kind) => share(total(kind)))]];
  return ['file                         lines and branches                  toggles', ...rows.map(([name, lines, toggles]) => `${name.padEnd(24)} ${lines} ${toggles}`)].join('\n');
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const { status } = spawnSync(process.execPath, [vitest, 'run', join(SIM, 'core.test.ts')], { cwd: ROOT, stdio: 'inherit', env: { ...process.env, FL_COVERAGE_OF: 'all' } });
  if (status === 0) console.log(table(merge(['core-8', 'core-16'])));
  process.exitCode = status ?? 1;
}
