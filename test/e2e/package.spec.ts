/** The packaged application, made here from what set-up installed, and driven as its user would: not the development tree. */
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installedElectron } from '../../scripts/lib/electron.mjs';
import { ROOT } from '../support/data.ts';
import { tinyFp32 } from '../support/model-package.ts';
import { launch, type Launched } from './app.ts';

const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}
const ended = (program: string, args: string[], env: NodeJS.ProcessEnv = process.env): Promise<Ended> =>
  new Promise((resolve) => {
    execFile(program, args, { env, maxBuffer: 64 << 20 }, (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }));
  });

describe.skipIf(process.platform !== 'linux')('the packaged application', () => {
  // Elsewhere than in the checkout, so that nothing of it can be used by accident.
  const elsewhere = mkdtempSync(join(tmpdir(), 'fabriclens-package-'));
  const folder = join(elsewhere, 'FabricLens');
  const executable = join(folder, 'fabriclens');
  let app: Launched;

  beforeAll(async () => {
    execFileSync(process.execPath, [join(ROOT, 'scripts/package.mjs')], { stdio: ['ignore', 'inherit', 'inherit'] });
    cpSync(join(ROOT, 'release/linux-unpacked'), folder, { recursive: true });
    app = await launch({ executable });
  });
  afterAll(async () => {
    await app.close();
    rmSync(elsewhere, { recursive: true, force: true });
  });

  test('is named -test when it carries the end-of-life runtime', async () => {
    const { offline } = installedElectron()!;
    const identity = await app.app.evaluate(({ app }) => [app.isPackaged, process.resourcesPath, app.name] as const);
    expect(identity).toEqual([true, join(folder, 'resources'), offline ? 'FabricLens-test' : 'FabricLens']);
    const packed = readFileSync(join(folder, 'version'), 'utf8').trim();
    const info = await app.page.evaluate(() => window.fabriclens.call('app.info', {}));
    expect(info.electron).toBe(packed);
    expect(info.endOfLifeRuntime).toBe(offline);
  });

  test('holds nothing of the development tree', () => {
    const resources = readdirSync(join(folder, 'resources'), { recursive: true, encoding: 'utf8' });
    expect(resources.filter((name) => /\.test\.|(^|\/)(train|src|test|scripts|\.cache)(\/|$)/.test(name.replace(/^hls\/runtime\/src/, '')))).toEqual([]);
    expect(resources.filter((name) => /napi-v6\/[^/]+\/[^/]+$/.test(name)).map((name) => name.split('/').slice(-2).join('-'))).toEqual([`linux-${process.arch}`]);
    for (const needed of ['agent/fabriclens_agent/__main__.py', 'runtime/libfabriclens_runtime.so', 'hls/core/core.cpp', 'models/pneumonia/metadata.json']) {
      expect(existsSync(join(folder, 'resources', needed)), needed).toBe(true);
    }
  });

  test('opens the sample, shows it, and compares the engines on its own virtual board', async () => {
    const { page } = app;
    const { opened } = await page.evaluate(() => window.fabriclens.call('library.open', { source: 'sample' }));
    expect(opened).toBeGreaterThan(1);
    await page.getByText('Synthetic, Phantom A').first().waitFor();
    const comparison = await page.evaluate(async () => {
      const { studies } = await window.fabriclens.call('library.get', {});
      const { models } = await window.fabriclens.call('models.list', {});
      const instanceId = studies[0]!.series[0]!.instances[0]!.id;
      return window.fabriclens.call('compare.run', { instanceId, frame: 0, model: models[0]!.id, engines: ['cpu-fp32', 'cpu-int8', 'board'], repeats: 1 });
    });
    expect(comparison.runs.map((run) => (run.state === 'ok' ? run.identity.engine : `${run.engine}: ${run.message}`))).toEqual(['cpu-fp32', 'cpu-int8', 'board']);
    expect(comparison.maxDelta).toBeLessThanOrEqual(comparison.tolerance);
    expect(app.pageErrors()).toEqual([]);
  });

  test('makes a model of an ONNX file in a process of its own, and loads it into its board', async () => {
    const { page } = app;
    const network = join(elsewhere, 'tiny.onnx');
    writeFileSync(network, tinyFp32());
    const pick = async (what: 'onnx' | 'samples', path: string): Promise<string> => {
      await app.app.evaluate(({ dialog }, chosen) => void (dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths: [chosen] })), path);
      return page.evaluate(async (kind) => (await window.fabriclens.call('models.pick', { what: kind })).file!.id, what);
    };
    const [model, samples] = [await pick('onnx', network), await pick('samples', join(sample(), 'chest-synthetic'))];
    const deployed = await page.evaluate(async (ids) => {
      const { call } = window.fabriclens;
      const { title, labels, modalities, preprocessing } = await call('models.inspect', { model: ids.model, metadata: null });
      const { id } = await call('models.add', { ...ids, metadata: null, fields: { name: 'packaged', title, task: 'classification', labels, modalities, preprocessing }, method: 'minmax', limit: 2 });
      const { report } = await call('models.report', { id });
      return { rule: report?.proof.rule.state, ...(await call('models.deploy', { id })) };
    }, { model, samples });
    expect(deployed).toMatchObject({ rule: 'kept', board: 'Virtual board', backend: 'golden' });
    await page.evaluate(() => window.fabriclens.call('models.remove', { id: 'packaged' }));
    expect(readdirSync(join(app.userData, 'models'))).toEqual([]);
  }, 120_000);

  const sample = (): string => join(folder, 'resources/models/samples');

  test('takes the command line’s subcommands', async () => {
    const help = await ended(executable, [...root, '--help']);
    expect([help.code, help.stdout.split('\n')[0]]).toEqual([0, expect.stringContaining('fabriclens')]);
    const usage = await ended(executable, [...root, 'infer']);
    expect([usage.code, usage.stdout]).toEqual([2, '']);
    const result = await ended(executable, [...root, 'infer', sample(), '--engine', 'cpu-int8,board', '--json']);
    const lines = result.stdout.trim().split('\n').map((line) => JSON.parse(line) as { type: string; runs?: Array<{ state: string }> });
    const results = lines.filter((line) => line.type === 'result');
    expect(results.length).toBeGreaterThan(1);
    expect(results.flatMap((line) => line.runs!.map((run) => run.state)).every((state) => state === 'ok')).toBe(true);
    expect(result.code).toBe(0);
  });

  test('has a command line for machines without a display', async () => {
    const env = { ...process.env };
    delete env['DISPLAY'];
    delete env['WAYLAND_DISPLAY'];
    const version = await ended(join(folder, 'fabriclens-cli'), ['--version'], env);
    expect([version.code, version.stdout]).toEqual([0, `fabriclens ${(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version}\n`]);
  });
});

describe.skipIf(process.platform !== 'linux')('a release', () => {
  test.skipIf(!installedElectron()?.offline)('is refused while the runtime is past its end of life', async () => {
    const refused = await ended(process.execPath, [join(ROOT, 'scripts/package.mjs'), '--release']);
    expect(refused.code, refused.stderr).toBe(1);
    expect(refused.stderr).toContain('is past its end of life and gets no security fixes: it is not packed for users (appImage, deb)');
  });
});
