/** The whole way onto a board that is a real OpenSSH server with the files of a PYNQ image under a folder: no systemd there, so the plain supervisor. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { agentFixture } from '../../../test/support/agent.ts';
import { boardBundle, goldenVectors, type Bundle } from '../../../test/support/board-bundle.ts';
import { pynqRoot } from '../../../test/support/pynq-root.ts';
import { cable, freePort, startSshd, SUDO_PASSWORD, type Cable, type TestServer } from '../../../test/support/sshd.ts';
import { connectSsh, type SshConnection } from '../ssh/connection.ts';
import { deployPackage } from '../upload.ts';
import { installPlan, type Step } from './plan.ts';
import { unitText } from './service.ts';
import { LAYOUT, type BoardLayout } from './probe.ts';
import { agentClient, compare, doctor, install, logs, readToken, rollback, status, uninstall, type Installation, type InstallEvent, type Session, type Vector } from './runner.ts';

let fixture: Awaited<ReturnType<typeof agentFixture>>;
let vectors: Vector[];
let server: TestServer;
let wire: Cable;
let layout: BoardLayout;
let first: Bundle;
let second: Bundle;
const open: SshConnection[] = [];

beforeAll(async () => {
  fixture = await agentFixture('tiny');
  vectors = await goldenVectors(fixture);
  [first, second] = [boardBundle(fixture, '1.0.0'), boardBundle(fixture, '1.1.0')];
  server = await startSshd();
  wire = await cable(server.port);
  layout = { root: join(server.folder, 'board'), serviceUser: server.user, port: await freePort(), readyS: 60 };
  for (const [name, text] of Object.entries(pynqRoot())) {
    mkdirSync(dirname(join(layout.root, name)), { recursive: true });
    writeFileSync(join(layout.root, name), text);
  }
});
afterEach(() => open.splice(0).forEach((ssh) => ssh.close()));
afterAll(async () => {
  const session = await connect(server.port);
  await uninstall(session, await doctor(session));
  open.splice(0).forEach((ssh) => ssh.close());
  await wire.close();
  await server.stop();
  rmSync(fixture.modelsDir, { recursive: true });
});

async function connect(port = wire.port, change: Partial<Session> = {}): Promise<Session> {
  const ssh = await connectSsh({ host: '127.0.0.1', port, login: { user: server.user, key: { text: server.key } }, candidates: [], accept: server.fingerprint });
  open.push(ssh);
  return { ssh, layout, sudoPassword: SUDO_PASSWORD, ...change };
}

async function put(bundle: Bundle, onEvent?: (event: InstallEvent) => void, session?: Session): Promise<string[]> {
  const used = session ?? await connect();
  const { python, home, systemd } = await doctor(used);
  const results: string[] = [];
  const input: Installation = {
    layout, systemd, python, home, user: used.ssh.user, version: bundle.version, bundle: bundle.bytes, bundleBytes: bundle.bytes.length, boardId: 'a'.repeat(32), overlay: undefined, vectors,
    onEvent: (event) => {
      if (event.state === 'done' || event.state === 'already') results.push(`${event.step} ${event.state}`);
      onEvent?.(event);
    },
  };
  await install(used, input);
  return results;
}

const current = (): string => readlinkSync(join(layout.root, 'opt/fabriclens/current'));
/** Over a connection of its own: the agent that is installed gives the golden model's answers. */
async function works(): Promise<void> {
  const { ssh } = await connect(server.port);
  await compare(ssh, layout.port, await readToken(ssh), vectors);
}
/** Over the link, as `fabriclens deploy` does: into the store, which no version owns. */
async function deploy(): Promise<void> {
  const { ssh } = await connect(server.port);
  const client = agentClient(ssh, layout.port, await readToken(ssh));
  await deployPackage(client, join(fixture.modelsDir, 'tiny'));
  client.close();
}
async function deployed(): Promise<boolean> {
  const { ssh } = await connect(server.port);
  const client = agentClient(ssh, layout.port, await readToken(ssh));
  const store = await client.store();
  client.close();
  return store?.models.some(({ name }) => name === 'tiny') ?? false;
}
const tree = (): string[] => readdirSync(server.folder, { recursive: true, encoding: 'utf8' }).sort();

describe('an installation', () => {
  test('goes through, does nothing twice, updates, goes back, and leaves nothing', async () => {
    const before = tree();
    expect(await put(first)).toEqual(['upload done', 'unpack done', 'build already', 'runtime done', 'user done', 'settings done', 'overlay done', 'service done', 'self-test done', 'switch done', 'tidy done']);
    await works();
    expect(current()).toBe(`versions/${first.version}`);
    const again = await put(first);
    expect(again.filter((line) => line.endsWith('already'))).toEqual(['unpack already', 'build already', 'runtime already', 'user already', 'settings already']);
    await deploy();
    await put(second);
    await works();
    expect(current()).toBe(`versions/${second.version}`);
    expect(await deployed()).toBe(true);

    const session = await connect();
    expect(await status(session, await doctor(session))).toEqual({ active: 'active', version: second.version });
    expect(await logs(session, await doctor(session))).toContain('model tiny');
    expect(await rollback(session, await doctor(session))).toBe(first.version);
    expect(current()).toBe(`versions/${first.version}`);
    await works();

    const report = await doctor(session);
    expect(report).toMatchObject({ installed: first.version, previous: second.version, boardId: 'a'.repeat(32), systemd: false });
    await uninstall(session, report);
    const left = new Set(before);
    // The server writes its own pid when it likes.
    expect(tree().filter((name) => !left.has(name) && !/^board\/(opt|etc|var|var\/lib|run\/sshd\.pid)$/.test(name))).toEqual([]);
    await expect.poll(() => spawnSync('pgrep', ['-f', layout.root]).stdout.toString()).toBe('');
    await expect(readToken(session.ssh)).rejects.toMatchObject({ code: 'unauthorised', message: expect.stringContaining('board install') as string });
    await expect(rollback(session, await doctor(session))).rejects.toMatchObject({ code: 'bad-request' });
  }, 300_000);
});

describe('when something fails, what ran runs on, and a second run finishes', () => {
  beforeAll(() => put(first));

  /** A stand-in for a program of the board, first on its PATH. */
  const standIn = (name: string, script: string): void => writeFileSync(join(server.home, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });

  const steps: Step['id'][] = ['upload', 'unpack', 'build', 'runtime', 'user', 'settings', 'overlay', 'service', 'self-test', 'switch', 'tidy'];
  test.each(steps.flatMap((step) => [[step, 0], [step, 400]] as const))('the cable is pulled in step %s after %i ms', async (id, ms) => {
    const bundle = current().endsWith(first.version) ? second : first;
    rmSync(join(layout.root, 'opt/fabriclens/versions', bundle.version), { recursive: true, force: true });
    let timer: NodeJS.Timeout | undefined;
    const pull = (event: InstallEvent): void => {
      if (event.state !== 'running' || event.fraction !== null || event.step !== id) return;
      if (ms === 0) wire.cut();
      else timer = setTimeout(() => wire.cut(), ms);
    };
    const outcome = await put(bundle, pull).then(() => undefined, (error: unknown) => error);
    clearTimeout(timer);
    // A step that is done in so short a time has no middle.
    if (ms === 0) expect(outcome).toMatchObject({ name: 'BoardError', code: 'board-unreachable', message: expect.stringContaining(id) as string });
    await expect.poll(() => works().then(() => true, () => false), { timeout: 90_000, interval: 500 }).toBe(true);
    await put(bundle);
    expect(current()).toBe(`versions/${bundle.version}`);
    await works();
  }, 300_000);

  test('a full card, told with its numbers', async () => {
    const bundle = boardBundle(fixture, '1.2.0');
    symlinkSync('/dev/full', join(server.home, `.fabriclens/${bundle.version}.tar.part`));
    await expect(put(bundle)).rejects.toMatchObject({ code: 'command-failed', message: expect.stringContaining('full') as string });
    rmSync(join(server.home, `.fabriclens/${bundle.version}.tar.part`));
    const input = { layout, systemd: false, python: 'python3', home: server.home, user: server.user, version: bundle.version, bundleBytes: 1e15, boardId: 'a'.repeat(32), overlay: undefined };
    const unpack = installPlan(input).find(({ id }) => id === 'unpack')!;
    expect(spawnSync('sh', ['-c', unpack.run], { timeout: 20_000 }).stderr.toString()).toMatch(/only \d+ KiB are free on the card, \d+ are needed/);
    await works();
  }, 300_000);

  // Each at a command that the step's script needs, while that step runs.
  test.each([['unpack', 'tar', 'undone'], ['runtime', 'ln', 'undone'], ['settings', 'cp', 'undone'], ['service', 'mv', 'undone'], ['switch', 'ln', 'undone'], ['tidy', 'rm', 'failed']] as const)('a card that is full in step %s', async (id, program, state) => {
    const bundle = current().endsWith(first.version) ? second : first;
    rmSync(join(layout.root, 'opt/fabriclens/versions', bundle.version), { recursive: true, force: true });
    if (id === 'settings') rmSync(join(server.home, '.fabriclens/token'));
    const seen: InstallEvent[] = [];
    const full = (event: InstallEvent): void => {
      if (event.step !== id) return;
      seen.push(event);
      if (event.state === 'running') standIn(program, `echo "${program}: No space left on device" >&2; exit 1`);
    };
    try {
      await expect(put(bundle, full)).rejects.toMatchObject({ code: 'command-failed', message: expect.stringMatching(new RegExp(`'${id}'.*No space left`)) as string });
    } finally {
      rmSync(join(server.home, 'bin', program), { force: true });
    }
    // rm itself is what cannot take anything back where it is the one that fails.
    expect(seen.at(-1)).toMatchObject({ state, message: expect.stringContaining('No space left') as string });
    expect(readdirSync(join(layout.root, 'opt/fabriclens/versions')).filter((name) => name.endsWith('.part'))).toEqual([]);
    if (id !== 'settings') await works();
    await put(bundle);
    await works();
  }, 300_000);

  test('a host key that changes while the cable is out: nothing goes on before somebody has said so', async () => {
    const bundle = current().endsWith(first.version) ? second : first;
    rmSync(join(layout.root, 'opt/fabriclens/versions', bundle.version), { recursive: true, force: true });
    const pinned = [{ id: 'a'.repeat(32), name: 'desk', addresses: [], user: server.user, hostKeys: [server.hostKey] }];
    await expect(put(bundle, (event) => { if (event.step === 'service' && event.state === 'running') wire.cut(); })).rejects.toMatchObject({ code: 'board-unreachable' });
    await server.changeHostKey();
    const again = connectSsh({ host: '127.0.0.1', port: wire.port, login: { user: server.user, key: { text: server.key } }, candidates: pinned });
    await expect(again).rejects.toMatchObject({ code: 'host-key' });
    await works();
    await put(bundle);
    await works();
  }, 300_000);

  test('a clock of the year 2000: told, and in nobody’s way', async () => {
    standIn('date', 'echo 946684800');
    try {
      const bundle = current().endsWith(first.version) ? second : first;
      expect((await doctor(await connect())).findings.find(({ id }) => id === 'clock')).toMatchObject({ grade: 'amber' });
      await put(bundle);
      await works();
    } finally {
      rmSync(join(server.home, 'bin/date'));
    }
  }, 300_000);

  test('a user whom sudo does not let in, told; nothing as root was done', async () => {
    const session = await connect();
    const asked = new Proxy(session.ssh, { get: (target, key) => (key === 'user' ? 'xilinx' : typeof target[key as 'exec'] === 'function' ? target[key as 'exec'].bind(target) : target[key as 'exec']) });
    const sudo = readFileSync(join(server.home, 'bin/sudo'), 'utf8');
    standIn('sudo', 'cat >/dev/null; echo "xilinx is not in the sudoers file." >&2; exit 1');
    try {
      const bundle = boardBundle(fixture, '1.4.0');
      await expect(put(bundle, undefined, { ...session, ssh: asked })).rejects.toMatchObject({ code: 'unauthorised', message: expect.stringMatching(/'unpack'.*not in the sudoers/) as string });
      expect(readdirSync(join(layout.root, 'opt/fabriclens/versions')).join()).not.toContain(bundle.version);
    } finally {
      writeFileSync(join(server.home, 'bin/sudo'), sudo, { mode: 0o755 });
    }
    await works();
  }, 300_000);

  test('a wrong sudo password, where the login is not root’s', async () => {
    const session = await connect();
    const asked = new Proxy(session.ssh, { get: (target, key) => (key === 'user' ? 'xilinx' : typeof target[key as 'exec'] === 'function' ? target[key as 'exec'].bind(target) : target[key as 'exec']) });
    await expect(put(boardBundle(fixture, '1.3.0'), undefined, { ...session, ssh: asked, sudoPassword: 'wrong-word' })).rejects.toMatchObject({ code: 'unauthorised', message: expect.not.stringContaining('wrong-word') as string });
    await works();
  }, 300_000);

  const BROKEN = { 'runtime/libfabriclens_runtime.so': 'no library' };

  test('a runtime that does not load and cannot be built', async () => {
    standIn('g++', 'echo "fatal: no memory left" >&2; exit 4');
    try {
      const before = current();
      await expect(put(boardBundle(fixture, '2-unbuilt', BROKEN))).rejects.toMatchObject({ code: 'command-failed', message: expect.stringMatching(/'build'.*no memory left/) as string });
      expect(current()).toBe(before);
    } finally {
      rmSync(join(server.home, 'bin/g++'));
    }
    await works();
  }, 300_000);

  test('a runtime that does not load is built by the board’s own compiler', async () => {
    // Fast to compile is enough here.
    standIn('g++', `for word; do shift; [ "$word" = -O3 ] && word=-O0; set -- "$@" "$word"; done; exec ${execFileSync('sh', ['-c', 'command -v g++']).toString().trim()} "$@"`);
    const fractions: (number | null)[] = [];
    try {
      const bundle = boardBundle(fixture, '2-built', BROKEN);
      expect(await put(bundle, (event) => event.step === 'build' && fractions.push(event.fraction))).toContain('build done');
      expect(current()).toBe(`versions/${bundle.version}`);
    } finally {
      rmSync(join(server.home, 'bin/g++'));
    }
    expect(fractions.some((fraction) => fraction !== null && fraction > 0 && fraction < 1)).toBe(true);
    await works();
  }, 600_000);

  test.each([
    ['an agent that does not start', { 'agent/fabriclens_agent/__main__.py': 'raise SystemExit(3)' }, 'self-test'],
    ['an agent of the service that never gets ready', { 'agent/fabriclens_agent/token_stdin.py': '' }, 'switch'],
  ])('%s', async (_, change, step) => {
    const files: Record<string, string> = { ...change };
    if (step === 'switch') files['agent/fabriclens_agent/__init__.py'] = `import sys, time\nif '--token-file' in sys.argv: time.sleep(600)\n${readFileSync(join(fixture.agentDir, 'fabriclens_agent/__init__.py'), 'utf8')}`;
    const before = current();
    layout.readyS = 5;
    try {
      await expect(put(boardBundle(fixture, `2-${step}`, files))).rejects.toMatchObject({ message: expect.stringContaining(`'${step}'`) as string });
    } finally {
      layout.readyS = 60;
    }
    expect(current()).toBe(before);
    await works();
  }, 300_000);

  test('a model that answers otherwise is not switched to', async () => {
    const wrong = vectors.map((vector) => ({ ...vector, outputs: new Map([...vector.outputs].map(([name, tensor]) => [name, { ...tensor, data: new Float32Array(tensor.data.length) }])) }));
    const before = current();
    const kept = vectors;
    vectors = wrong;
    await expect(put(boardBundle(fixture, '3.0.0'))).rejects.toMatchObject({ message: expect.stringContaining('otherwise than the golden model') as string });
    vectors = kept;
    expect(current()).toBe(before);
    await works();
  }, 300_000);
});

test.each([['on the processor', false], ['with an overlay', true]])('systemd takes the unit %s without a word', (_, pl) => {
  const folder = join(server.folder, `unit-${pl}`);
  mkdirSync(folder);
  cpSync('/bin/true', join(folder, 'python3'));
  mkdirSync(join(folder, 'opt/fabriclens/current/agent'), { recursive: true });
  writeFileSync(join(folder, 'fabriclens-agent.service'), unitText({ ...LAYOUT, root: folder, serviceUser: 'root' }, join(folder, 'python3'), pl));
  // An exit code of its own where it only warns is of newer versions: a word is what we go by.
  const { stdout, stderr, error } = spawnSync('systemd-analyze', ['verify', '--man=no', join(folder, 'fabriclens-agent.service')], { timeout: 60_000 });
  if (error) throw error;
  const said = `${stdout.toString()}${stderr.toString()}`.split('\n').filter((line) => line.includes('fabriclens'));
  expect(said).toEqual([]);
  const unit = unitText(LAYOUT, '/usr/bin/python3', pl);
  // What hides the PL from the agent, and what makes it root, is there in one of the two each.
  for (const [line, withPl] of [['PrivateDevices=yes', false], ['ProtectKernelTunables=yes', false], ['User=fabriclens', false], ['User=root', true], ['DeviceAllow=/dev/mem rw', true], ['--overlay /opt/fabriclens/current/overlay --ps-fallback', true]] as const) {
    expect(unit.includes(line), line).toBe(withPl === pl);
  }
});
