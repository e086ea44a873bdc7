/** An overlay on the way to a board whose kernel is a stand-in and whose core is the Verilated RTL: the same agent, the same checks, no FPGA. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agentFixture } from '../../../test/support/agent.ts';
import { boardBundle, goldenVectors } from '../../../test/support/board-bundle.ts';
import { givePl, writeOverlay } from '../../../test/support/pl-board.ts';
import { pynqRoot } from '../../../test/support/pynq-root.ts';
import { freePort, startSshd, SUDO_PASSWORD, type TestServer } from '../../../test/support/sshd.ts';
import { prepareInstall } from '../../hosts/board-actions.ts';
import { readOverlayFolder } from '../../hosts/overlay-folder.ts';
import type { Resources } from '../../hosts/resources.ts';
import { connectSsh } from '../ssh/connection.ts';
import { doctor, install, uninstall, type InstallEvent, type Session, type Vector } from './runner.ts';

let fixture: Awaited<ReturnType<typeof agentFixture>>;
let resources: Resources;
let server: TestServer;
let session: Session;
let vectors: Vector[];
let folder: string;
let core: { end: () => Promise<void> } | undefined;
let root: string;

beforeAll(async () => {
  fixture = await agentFixture('tiny');
  resources = { ...fixture, version: '1.0.0' } as unknown as Resources;
  vectors = await goldenVectors(fixture);
  server = await startSshd();
  root = join(server.folder, 'board');
  for (const [name, text] of Object.entries(pynqRoot())) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  folder = writeOverlay(join(server.folder, 'overlay'));
  const ssh = await connectSsh({ host: '127.0.0.1', port: server.port, login: { user: server.user, key: { text: server.key } }, candidates: [{ id: 'b'.repeat(32), name: 'desk', addresses: [], user: server.user, hostKeys: [server.hostKey] }] });
  session = { ssh, layout: { root, serviceUser: server.user, port: await freePort(), readyS: 60 }, sudoPassword: SUDO_PASSWORD };
}, 300_000);
afterAll(async () => {
  await uninstall(session, await doctor(session));
  session.ssh.close();
  await core?.end();
  await server.stop();
  rmSync(fixture.modelsDir, { recursive: true });
});

/** The ends of its steps, by name, and what its self-tests say. */
async function put(version: string, overlay: string | null, answers: Iterable<Vector> = vectors): Promise<{ steps: Map<string, InstallEvent>; tests: Awaited<ReturnType<typeof install>> }> {
  const file = join(server.folder, `fabriclens-board-${version}-armhf.tar`);
  writeFileSync(file, boardBundle(fixture, version).bytes);
  const { input, plan } = await prepareInstall(session, await doctor(session), file, overlay, resources);
  const steps = new Map<string, InstallEvent>();
  const tests = await install(session, { ...input, vectors: answers as Vector[], onEvent: (event) => steps.set(event.step, event) });
  expect([...steps.keys()]).toEqual(plan.steps.map(({ id }) => id));
  return { steps, tests };
}
const overlayOf = (): string => readlinkSync(join(root, 'opt/fabriclens/current/overlay')).split('/').at(-1)!;

test('what is no overlay for this board is refused here, before anything is sent', async () => {
  const changed = writeOverlay(join(server.folder, 'changed'));
  appendFileSync(join(changed, 'fabriclens.bit'), '.');
  const short = writeOverlay(join(server.folder, 'short'), "{'core': {'version': 99, 'layout': 1}}");
  for (const [dir, words] of [[changed, /SHA-256/], [short, /layout|core version/], [join(server.folder, 'none'), /absent/]] as const) {
    await expect(readOverlayFolder(dir, resources)).rejects.toMatchObject({ code: 'bad-request', message: expect.stringMatching(words) as string });
  }
  expect((await readOverlayFolder(folder, resources)).files!.map(({ name }) => name)).toEqual(['overlay.json', 'fabriclens.bit', 'fabriclens.hwh']);
}, 120_000);

test('a PL that is refused leaves the processor working, and its reason is told', async () => {
  const { steps, tests } = await put('1.0.0', folder);
  expect(steps.get('pl-test')).toMatchObject({ state: 'done', message: expect.stringMatching(/The PL is not used, the processor computes: .*Zynq/) as string });
  expect(tests).toEqual([{ backend: 'golden', models: ['tiny'], vectors: 1 }]);
  expect(overlayOf()).toMatch(/^[0-9a-f]{64}$/);
}, 300_000);

test('where it is there, its answers are compared too; an update keeps it', async () => {
  core = await givePl(root, server.folder);
  const { tests } = await put('1.1.0', null);
  expect(tests).toEqual([{ backend: 'golden', models: ['tiny'], vectors: 1 }, { backend: 'hardware', models: ['tiny'], vectors: 1 }]);
  const report = await doctor(session);
  expect(report.overlay).toBe(overlayOf());
  expect(report.runs.find(({ id }) => id === 'pl')?.what).toContain(report.overlay.slice(0, 16));
}, 600_000);

test('wrong answers of the PL take it away, and the processor’s are compared again', async () => {
  const wrong = vectors.map((vector) => ({ ...vector, outputs: new Map([...vector.outputs].map(([name, tensor]) => [name, { ...tensor, data: new Float32Array(tensor.data.length) }])) }));
  let round = 0;
  // Only what is compared with the PL's.
  const answers = { [Symbol.iterator]: () => (++round === 2 ? wrong : vectors)[Symbol.iterator]() };
  const { steps, tests } = await put('1.2.0', null, answers);
  expect(steps.get('pl-test')).toMatchObject({ state: 'undone', message: expect.stringMatching(/taken away.*otherwise than the golden model/) as string });
  expect(round).toBe(3);
  expect(tests.map(({ backend }) => backend)).toEqual(['golden']);
  expect(existsSync(join(root, 'opt/fabriclens/current/overlay'))).toBe(false);
  expect((await doctor(session)).overlay).toBe('');
}, 600_000);

test('one that another version of the core left does not fit: the processor computes, and that is told', async () => {
  const { tests } = await put('1.3.0', folder);
  expect(tests.map(({ backend }) => backend)).toEqual(['golden', 'hardware']);
  const manifest = join(root, 'opt/fabriclens/current/overlay/overlay.json');
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace(/"version": \d+/, '"version": 99'));
  const { steps, tests: after } = await put('1.4.0', null);
  expect(steps.get('overlay')).toMatchObject({ state: 'done', message: expect.stringContaining('core version 99') as string });
  expect(after.map(({ backend }) => backend)).toEqual(['golden']);
}, 600_000);
