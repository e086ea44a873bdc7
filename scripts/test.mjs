/**
 * `npm test [-- --only STAGE]`: set-up, then every check there is. STAGE is `types`, `unit` (unit, native, agent, integration tests and
 * the gates on imports, lint and dependencies) or `e2e` (the real window, and the packaged application). Ends with one line
 * `N passed, N failed[, N skipped]` and is non-zero when anything failed or a skip is not listed in test/allowed-skips.txt.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { SetupError, main, say } from './lib/log.mjs';
import { inCache, inRoot } from './lib/paths.mjs';
import { onPath, run } from './lib/run.mjs';
import { tally, unlisted } from './lib/vitest-results.mjs';
import { setUp } from './setup.mjs';

const STAGES = { types, unit, e2e };
/** Of one stage, whose usual time is some minutes: better an answer than a run that somebody else ends. */
const STAGE_MS = 30 * 60_000;
const env = { ...process.env, CI: 'true', FORCE_COLOR: '0', NO_COLOR: '1' };

async function types() {
  const { code, output } = await run(process.execPath, [inRoot('node_modules/typescript/bin/tsc'), '-p', inRoot(), '--noEmit'], { cwd: inRoot(), quiet: true, env });
  if (code !== 0) process.stderr.write(output);
  return code === 0 ? { passed: 1, failed: 0, skipped: [], failures: [] } : { passed: 0, failed: 1, skipped: [], failures: ['type check'] };
}

async function vitest(name, config, wrapper = []) {
  const report = inCache(`${name}-report.json`);
  rmSync(report, { force: true });
  const command = [...wrapper, process.execPath, inRoot('node_modules/vitest/vitest.mjs'), 'run', '--config', config, '--reporter=default', '--reporter=json', `--reporter=${inRoot('scripts/lib/unfinished-reporter.mjs')}`, `--outputFile.json=${report}`];
  const { code, timedOut } = await run(command[0], command.slice(1), { cwd: inRoot(), env, timeoutMs: STAGE_MS });
  if (timedOut) return { passed: 0, failed: 1, skipped: [], failures: [`${name}: not done after ${STAGE_MS / 60_000} minutes`] };
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: [], failures: [`${name}: Vitest ended with code ${code} and no report`] };
  const result = tally(JSON.parse(readFileSync(report, 'utf8')));
  // An error outside of any test.
  if (code !== 0 && result.failed === 0) return { ...result, failed: 1, failures: [`${name}: Vitest ended with code ${code}`] };
  return result;
}

function unit() {
  return vitest('unit', 'vitest.config.ts');
}

function e2e() {
  if (process.platform === 'linux' && !onPath('xvfb-run')) throw new SetupError('xvfb-run is missing: apt-get install xvfb xauth');
  const wrapper = process.platform === 'linux' ? ['xvfb-run', '-a', '-s', '-screen 0 1600x1000x24'] : [];
  return vitest('e2e', 'test/e2e/vitest.config.ts', wrapper);
}

function chosen(args) {
  if (args.length === 0) return Object.keys(STAGES);
  const [flag, stage] = args;
  if (flag !== '--only' || args.length !== 2 || !Object.hasOwn(STAGES, stage)) throw new SetupError(`usage: npm test [-- --only ${Object.keys(STAGES).join('|')}]`);
  return [stage];
}

await main(async () => {
  const stages = chosen(process.argv.slice(2));
  await setUp('test');
  mkdirSync(inCache(), { recursive: true });
  const sum = { passed: 0, failed: 0, skipped: [], failures: [] };
  for (const stage of stages) {
    say(`test stage: ${stage}`);
    const result = await STAGES[stage]();
    sum.passed += result.passed;
    sum.failed += result.failed;
    sum.skipped.push(...result.skipped);
    sum.failures.push(...result.failures);
  }
  const allowed = readFileSync(inRoot('test/allowed-skips.txt'), 'utf8');
  for (const name of unlisted(sum.skipped, allowed)) {
    sum.failed++;
    sum.failures.push(`skipped, but not listed in test/allowed-skips.txt: ${name}`);
  }
  for (const name of sum.skipped) say(`skipped: ${name}`);
  for (const name of sum.failures) say(`FAILED: ${name}`);
  process.stdout.write(`${sum.passed} passed, ${sum.failed} failed${sum.skipped.length > 0 ? `, ${sum.skipped.length} skipped` : ''}\n`);
  return sum.failed === 0 ? 0 : 1;
});
