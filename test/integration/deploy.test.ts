/** `fabriclens deploy` as its users call it, and the model that it deployed in use. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build } from '../../hls/build.mjs';
import { ROOT } from '../support/data.ts';

const TOKEN = 'token-of-the-deploy-test-0123456789';
const SAMPLES = join(ROOT, 'models/samples/chest-synthetic');
let folder: string;
let address: string;
let end: () => Promise<void>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-deploy-'));
  mkdirSync(join(folder, 'none'));
  const agent = spawn('python3', ['-B', '-m', 'fabriclens_agent', '--models', join(folder, 'none'), '--store', join(folder, 'store'), '--store-reserve', '0', '--runtime', await build('runtime'), '--token-stdin', '--exit-with-parent'],
    { cwd: join(ROOT, 'agent'), stdio: ['pipe', 'pipe', 'ignore'] });
  end = async () => {
    const closed = once(agent, 'close');
    if (agent.kill('SIGKILL')) await closed;
  };
  agent.stdin.write(`${TOKEN}\n`);
  const [line] = (await once(createInterface({ input: agent.stdout }), 'line', { signal: AbortSignal.timeout(60_000) })) as [string];
  address = `127.0.0.1:${(JSON.parse(line) as { port: number }).port}`;
  await run('--version'); // builds what is not built, once
}, 600_000);
afterAll(async () => {
  await end?.();
  rmSync(folder, { recursive: true, force: true });
});

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(ROOT, 'scripts/fabriclens.mjs'), ...args], { cwd: ROOT, timeout: 120_000, env: { ...process.env, FABRICLENS_BOARD_TOKEN: TOKEN } },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }));
  });
}

test('a package is deployed, said for people and for programs, and infers there', async () => {
  const first = await run('deploy', 'models/pneumonia', '--board', address, '--progress');
  expect([first.code, first.stdout]).toEqual([0, expect.stringMatching(new RegExp(`^pneumonia \\S+ is served by board ${address}, also after a restart\npackage [0-9a-f]{64}: 1\\.3 MB, of which 1\\.3 MB were sent\n$`))]);
  expect(first.stderr).toMatch(/^sending: 0\.0 of 1\.3 MB\n(.*\n)+the board loads and runs it\n$/);

  const again = await run('deploy', 'models/pneumonia', '--board', address, '--json');
  expect([again.code, JSON.parse(again.stdout)]).toEqual([0, expect.objectContaining({ type: 'deployed', board: address, model: 'pneumonia', sentBytes: 0 })]);

  const [image] = readdirSync(SAMPLES);
  const inferred = await run('infer', join(SAMPLES, image!), '--engine', 'board', '--board', address, '--json');
  expect([inferred.code, inferred.stderr]).toEqual([0, '']);
  expect(JSON.parse(inferred.stdout.split('\n')[0]!)).toMatchObject({ type: 'result', runs: [{ state: 'ok', identity: { engine: 'board', model: 'pneumonia' } }] });
}, 240_000);

test('what is no package, and a board that is not there, are told with exit code 1', async () => {
  const none = await run('deploy', 'docs', '--board', address);
  expect([none.code, none.stdout, none.stderr]).toEqual([1, '', expect.stringMatching(/docs is no model package/)]);
  const absent = await run('deploy', 'models/pneumonia', '--board', '127.0.0.1:9', '--json');
  expect([absent.code, JSON.parse(absent.stdout)]).toEqual([1, { type: 'problem', file: 'models/pneumonia', code: 'board-unreachable', message: expect.stringContaining('127.0.0.1:9') as string }]);
  expect((await run('deploy', 'models/pneumonia')).code).toBe(2);
}, 120_000);
