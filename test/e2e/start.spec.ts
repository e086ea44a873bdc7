/** The window as it opens, its settings, and files named on the command line. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ROOT } from '../support/data.ts';
import { launch, withApp } from './app.ts';

const SAMPLES = join(ROOT, 'models/samples');

describe('an empty start', () => {
  const app = withApp();

  test('shows where to begin, in English, with nothing loaded and no errors', async () => {
    const { page, pageErrors } = app();
    expect(await page.title()).toBe('FabricLens');
    await page.getByRole('button', { name: /open files/i }).first().waitFor();
    await page.getByText('Not for diagnostic use').first().waitFor();
    expect(await page.evaluate(() => window.fabriclens.call('library.get', {}))).toEqual({ studies: [], problems: [] });
    expect(pageErrors()).toEqual([]);
  });

  test('says which runtime it is and that the sandbox is off, where they are so', async () => {
    const info = await app().page.evaluate(() => window.fabriclens.call('app.info', {}));
    const runtime = await app().app.evaluate(() => process.versions['electron']);
    expect(info.electron).toBe(runtime);
    expect(info.endOfLifeRuntime).toBe(Number.parseInt(info.electron, 10) < 40);
    expect(info.sandboxOff).toBe(process.getuid?.() === 0);
  });

  test('the virtual board becomes ready and names the golden model', async () => {
    const { page } = app();
    await expect.poll(async () => (await page.evaluate(() => window.fabriclens.call('boards.list', {}))).boards.map((b) => [b.state, b.backend]), { timeout: 30_000 }).toEqual([['ready', 'golden']]);
  });

  test('the menu speaks the reader’s language and sends actions to the page', async () => {
    const { app: electron, page } = app();
    const labels = (): Promise<string[]> => electron.evaluate(({ Menu }) => Menu.getApplicationMenu()!.items.map((item) => item.label));
    expect(await labels()).toEqual(['File', 'View', 'Layout', 'Measure', 'Compare', 'Workspace', 'Help']);
    const seen = await page.evaluateHandle(() => ({ next: new Promise((resolve) => window.fabriclens.on('menu.action', resolve)) }));
    await electron.evaluate(({ Menu }) => Menu.getApplicationMenu()!.getMenuItemById('workspace.models')!.click());
    expect(await seen.evaluate(({ next }) => next)).toEqual({ action: 'workspace.models' });
    await page.evaluate(() => window.fabriclens.call('settings.set', { locale: 'zh-CN' }));
    expect(await labels()).toEqual(['文件', '视图', '布局', '测量', '对比', '工作区', '帮助']);
    await page.evaluate(() => window.fabriclens.call('settings.set', { locale: 'en' }));
  });
});

describe('settings', () => {
  const userData = mkdtempSync(join(tmpdir(), 'fabriclens-e2e-'));
  afterAll(() => rmSync(userData, { recursive: true, force: true }));

  test('survive a restart, and a damaged file gives the defaults', async () => {
    const first = await launch({ userData });
    await first.page.evaluate(() => window.fabriclens.call('settings.set', { repeats: 17, runOnOpen: true }));
    await first.close();
    const second = await launch({ userData });
    expect((await second.page.evaluate(() => window.fabriclens.call('app.info', {}))).settings).toMatchObject({ repeats: 17, runOnOpen: true });
    await second.close();
    writeFileSync(join(userData, 'settings.json'), '{"repeats": 17,');
    const third = await launch({ userData });
    expect((await third.page.evaluate(() => window.fabriclens.call('app.info', {}))).settings).toMatchObject({ repeats: 5, runOnOpen: false });
    await third.close();
  });
});

describe('files on the command line', () => {
  const app = withApp({ args: [SAMPLES] });

  test('a folder opens as its studies', async () => {
    const { page } = app();
    await expect.poll(async () => (await page.evaluate(() => window.fabriclens.call('library.get', {}))).studies.length, { timeout: 20_000 }).toBeGreaterThan(1);
    await page.getByText('Synthetic, Phantom A').first().waitFor();
  });

  test('a second start hands its files to this window', async () => {
    const { page, userData } = app();
    const before = (await page.evaluate(() => window.fabriclens.call('library.get', {}))).problems.length;
    const folder = mkdtempSync(join(tmpdir(), 'fabriclens-e2e-'));
    const file = join(folder, 'notes.txt');
    writeFileSync(file, 'These are not the images you are looking for.');
    const { spawn } = await import('node:child_process');
    const { electronExecutable } = await import('./app.ts');
    const second = spawn(electronExecutable(), [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), `--user-data-dir=${userData}`, ROOT, file], { stdio: 'ignore' });
    const code = await new Promise((resolve) => second.on('exit', resolve));
    expect(code).toBe(0);
    await expect.poll(async () => (await page.evaluate(() => window.fabriclens.call('library.get', {}))).problems.map((p) => p.fileName)).toContain('notes.txt');
    expect(before).toBe(0);
    rmSync(folder, { recursive: true, force: true });
  });

  test('the encoded file reaches the page byte for byte', async () => {
    const { page } = app();
    const { studies } = await page.evaluate(() => window.fabriclens.call('library.get', {}));
    const instance = studies.flatMap((s) => s.series).flatMap((s) => s.instances)[0]!;
    const got = await page.evaluate(async (id) => {
      const bytes = new Uint8Array(await (await fetch(`app://instance/${id}`)).arrayBuffer());
      const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
      return { length: bytes.length, hash: [...hash].map((b) => b.toString(16).padStart(2, '0')).join('') };
    }, instance.id);
    const { createHash } = await import('node:crypto');
    const files = readdirSync(SAMPLES, { recursive: true, encoding: 'utf8' }).map((name) => join(SAMPLES, name)).filter((path) => statSync(path).isFile());
    const hashes = files.map((path) => createHash('sha256').update(readFileSync(path)).digest('hex'));
    expect(hashes).toContain(got.hash);
    expect(got.length).toBe(statSync(files[hashes.indexOf(got.hash)]!).size);
  });

  test('leaves nothing of the patient in the user’s data folder but in the study list, and not there where that is off', async () => {
    const { page, app: electron, userData } = app();
    await page.getByText('Synthetic, Phantom A').first().waitFor();
    await electron.evaluate(({ session }) => session.defaultSession.flushStorageData());
    const found = (word: string): string[] => {
      const files = readdirSync(userData, { recursive: true, encoding: 'utf8' }).map((name) => join(userData, name)).filter((path) => existsSync(path) && statSync(path).isFile());
      expect(files.length).toBeGreaterThan(0);
      return files.filter((path) => [Buffer.from(word), Buffer.from(word, 'utf16le')].some((needle) => readFileSync(path).includes(needle)));
    };
    const words = ['Phantom', 'SYN-A', SAMPLES];
    for (const word of words) for (const path of found(word)) expect(path).toMatch(/studies\.db(-wal|-shm)?$/);
    await page.evaluate(() => window.fabriclens.call('settings.set', { rememberStudies: false }));
    for (const word of words) expect(found(word), word).toEqual([]);
  });
});

describe('a review process that dies', () => {
  const app = withApp({ args: [SAMPLES] });

  test('is started again with what was open, and the failed call says so', async () => {
    const { page, app: electron } = app();
    await expect.poll(async () => (await page.evaluate(() => window.fabriclens.call('library.get', {}))).studies.length, { timeout: 20_000 }).toBeGreaterThan(1);
    const pid = await electron.evaluate(({ app }) => app.getAppMetrics().find((m) => m.name === 'FabricLens review')!.pid);
    const begun = await page.evaluateHandle(() => ({ next: new Promise((resolve) => window.fabriclens.on('compare.progress', resolve)) }));
    const lost = page.evaluate(async () => {
      const { studies } = await window.fabriclens.call('library.get', {});
      const instanceId = studies[0]!.series[0]!.instances[0]!.id;
      const { models } = await window.fabriclens.call('models.list', {});
      return window.fabriclens.call('compare.run', { instanceId, frame: 0, model: models[0]!.id, engines: ['cpu-fp32'], repeats: 200 }).then(() => 'answered', (error: Error) => error.name);
    });
    await begun.evaluate(({ next }) => next);
    process.kill(pid, 'SIGKILL');
    expect(await lost).toBe('review-lost');
    await expect.poll(async () => (await page.evaluate(() => window.fabriclens.call('library.get', {}))).studies.length, { timeout: 20_000 }).toBeGreaterThan(1);
  });
});
