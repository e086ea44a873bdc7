/**
 * `npm run soak [-- --seconds N] [-- --clients N] [-- --kill N] [-- --seed N] [-- --json]`: by default 64 clients for 10 minutes against an agent on the golden model and one on
 * the simulated RTL whose bus fails, one of them killed every 20 s. Exit code 1 where an answer was wrong, late or missing, or something leaked.
 */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { COUNTS } from './client.ts';
import { soak } from './run.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' }, clients: { type: 'string', default: '64' }, kill: { type: 'string', default: '20' }, seed: { type: 'string', default: '1' }, json: { type: 'boolean', default: false } } });
const [seconds, clients, killEvery, seed] = [values.seconds, values.clients, values.kill, values.seed].map(Number) as [number, number, number, number];
const { stands, violations } = await soak({ seconds, clients, killEvery, seed, hangMs: 5000, say: (line) => void process.stderr.write(`soak: ${line}\n`) });

if (values.json) process.stdout.write(`${JSON.stringify({ seconds, clients, killEvery, seed, stands, violations }, null, 2)}\n`);
else {
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
  process.stdout.write(`${seconds} s, ${clients} clients, a kill every ${killEvery} s, seed ${seed}; ${cpus()[0]?.model.trim()}, ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}\n`);
  for (const { backend, kills, counts, faults, before, after, peakBytes } of stands) {
    process.stdout.write(`${backend}: ${kills} kills, ${faults} faults; ${COUNTS.map((name) => `${counts[name]} ${name}`).join(', ')}\n`);
    process.stdout.write(`  before any client and after the last: ${mb(before.residentBytes)} then ${mb(after.residentBytes)}, ${before.threads} then ${after.threads} threads, ${before.files} then ${after.files} files; peak of all ${mb(peakBytes)}\n`);
  }
  process.stdout.write(violations.length === 0 ? 'No answer was wrong, late or missing; nothing leaked.\n' : `${violations.join('\n')}\n`);
}
if (violations.length > 0) process.exitCode = 1;
