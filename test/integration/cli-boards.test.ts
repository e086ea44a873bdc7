/** `infer` with boards of one's own: a trusted one through a real OpenSSH server by its name, an agent by its address, and both at once. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build } from '../../hls/build.mjs';
import { connectBoard, startVirtualBoard, type KnownBoard, type VirtualBoard } from '../../src/board/index.ts';
import { compileProgram } from '../../src/compiler/compile.ts';
import { ModelMetadata } from '../../src/contract/model.ts';
import { ROOT } from '../support/data.ts';
import { writeTinyPackage } from '../support/model-package.ts';
import { smallDicom } from '../support/small-dicom.ts';
import { startSshd, type TestServer } from '../support/sshd.ts';

const IMAGES = 12;
let folder: string;
let server: TestServer;
let agents: VirtualBoard[];
const trusted = (change: Partial<KnownBoard> = {}): KnownBoard => ({ id: 'ab'.repeat(16), name: 'desk', addresses: [`127.0.0.1:${server.port}`], user: server.user, hostKeys: [server.hostKey], ...change });

interface Outcome { code: number | null; stdout: string; stderr: string }
function infer(boards: readonly KnownBoard[], ...args: string[]): Promise<Outcome> {
  writeFileSync(join(folder, 'boards.json'), JSON.stringify({ format: 'fabriclens-boards/1', boards }));
  const child = spawn(process.execPath, [join(ROOT, 'scripts/fabriclens.mjs'), 'infer', 'images', '--models', 'models', '--engine', 'board', '--json', ...args], {
    cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], timeout: 200_000, env: { ...process.env, FABRICLENS_BOARDS: join(folder, 'boards.json'), SSH_AUTH_SOCK: '' },
  });
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => { outcome.stdout += chunk.toString(); });
  child.stderr.on('data', (chunk: Buffer) => { outcome.stderr += chunk.toString(); });
  return new Promise((resolve, reject) => child.on('error', reject).on('close', (code) => resolve({ ...outcome, code })));
}
interface Line { type: string; file: string; runs: { state: string; message?: string; code?: string; logits: number[]; identity: { runner: string } }[] }
const results = ({ stdout }: Outcome): Line[] => stdout.trim().split('\n').map((line) => JSON.parse(line) as Line).filter(({ type }) => type === 'result');
const runners = (lines: Line[]): Set<string> => new Set(lines.map(({ runs }) => runs[0]!.identity.runner.split(',')[0]!));
const answers = (lines: Line[]): [string, number[]][] => lines.map(({ file, runs }) => [file, runs[0]!.logits]);
const throughSsh = (): string[] => ['--board', 'desk', '--identity', 'key', '--agent-port', String(agents[0]!.port)];
const direct = (): string[] => ['--board', `127.0.0.1:${agents[1]!.port}`, '--board-token-file', 'token'];

beforeAll(async () => {
  // Where the application is not built yet, as in a run of this file alone.
  spawnSync(process.execPath, [join(ROOT, 'scripts/fabriclens.mjs'), '--version'], { timeout: 280_000 });
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-cli-boards-'));
  const dir = writeTinyPackage(join(folder, 'models'));
  const { program } = compileProgram(readFileSync(join(dir, 'model.int8.onnx')));
  const metadata = ModelMetadata.parse(JSON.parse(readFileSync(join(dir, 'metadata.json'), 'utf8')));
  metadata.fabriclens.sha256['program.bin'] = createHash('sha256').update(program).digest('hex');
  writeFileSync(join(dir, 'program.bin'), program);
  writeFileSync(join(dir, 'metadata.json'), JSON.stringify(metadata));
  mkdirSync(join(folder, 'images'));
  for (let n = 0; n < IMAGES; n++) writeFileSync(join(folder, `images/${String(n).padStart(2, '0')}.dcm`), smallDicom({ sopInstanceUid: `1.2.3.${n + 1}` }));
  const runtimeLibrary = await build('runtime');
  agents = await Promise.all([0, 1].map(() => startVirtualBoard({ modelsDir: join(folder, 'models'), runtimeLibrary, agentDir: join(ROOT, 'agent') })));
  for (const { port, token } of agents) {
    const link = connectBoard({ host: '127.0.0.1', port, token });
    await link.ready({ timeoutMs: 100_000 });
    await link.close();
  }
  server = await startSshd();
  mkdirSync(join(server.home, '.fabriclens'), { recursive: true });
  writeFileSync(join(server.home, '.fabriclens/token'), agents[0]!.token!, { mode: 0o600 });
  writeFileSync(join(folder, 'token'), agents[1]!.token!, { mode: 0o600 });
  writeFileSync(join(folder, 'key'), server.key, { mode: 0o600 });
}, 300_000);
afterAll(async () => {
  await Promise.all((agents ?? []).map((agent) => agent.close()));
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('a trusted board by its name, through SSH, answers as an agent by its address; both share a batch, printed in the order of the files', async () => {
  const overSsh = await infer([trusted()], ...throughSsh());
  expect([overSsh.code, overSsh.stderr]).toEqual([0, '']);
  const one = results(overSsh);
  expect(one.map(({ file }) => file)).toEqual(Array.from({ length: IMAGES }, (_, n) => `images/${String(n).padStart(2, '0')}.dcm`));
  expect(runners(one)).toEqual(new Set([`board desk (127.0.0.1:${agents[0]!.port})`]));
  expect(overSsh.stdout).not.toContain(agents[0]!.token!);

  const both = await infer([trusted()], ...throughSsh(), ...direct());
  expect([both.code, both.stderr]).toEqual([0, '']);
  expect(runners(results(both))).toEqual(new Set([`board desk (127.0.0.1:${agents[0]!.port})`, `board 127.0.0.1:${agents[1]!.port}`]));
  expect(answers(results(both))).toEqual(answers(one));
}, 300_000);

test('a host key that changed, or no login: that board stays out and is told; the other one does its work', async () => {
  const stranger = { ...server.hostKey, blob: Buffer.from(server.hostKey.blob, 'base64').fill(7, 30).toString('base64') };
  const changed = await infer([trusted({ hostKeys: [stranger] })], ...throughSsh(), ...direct());
  expect(changed.code).toBe(0);
  expect(changed.stderr).toContain(`shows another host key than before: ${server.hostKey.algorithm} ${server.fingerprint}`);
  expect(runners(results(changed))).toEqual(new Set([`board 127.0.0.1:${agents[1]!.port}`]));
  const locked = await infer([trusted()], '--board', 'desk', '--agent-port', String(agents[0]!.port));
  expect(locked.code).toBe(1);
  expect(results(locked)[0]!.runs[0]).toMatchObject({ state: 'failed', message: expect.stringContaining(`does not let '${server.user}' in`) as string });
}, 300_000);

test('a word that is neither, and one that is two', async () => {
  const unknown = await infer([trusted()], '--board', 'lab');
  expect([unknown.code, unknown.stdout]).toEqual([2, '']);
  expect(unknown.stderr).toContain('"lab" is no board that was trusted');
  const twice = await infer([trusted(), trusted({ id: 'cd'.repeat(16) })], '--board', 'desk');
  expect(twice.code).toBe(2);
  expect(twice.stderr).toContain(`'desk' (${'cd'.repeat(16)})`);
  const certificate = await infer([trusted()], '--board', 'desk', '--board-certificate', 'AB'.repeat(32));
  expect(certificate.stderr).toContain('--board-certificate is of one agent');
}, 120_000);
