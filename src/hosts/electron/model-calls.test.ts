import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ModelFields } from '../../contract/ipc.ts';
import type { AdderClient } from './adder-client.ts';
import type { AddJob, Job } from './adder-messages.ts';
import { createModelHandlers, type ModelWiring } from './model-calls.ts';

const FIELDS: ModelFields = { name: 'hand', title: 'Hand', task: 'classification', labels: null, modalities: [], preprocessing: { width: 8, height: 8, channels: 1, fit: 'squash', pad: 0, resample: 'triangle', mean: 0, std: 1 } };
const { signal } = new AbortController();

let dir: string;
let choice: string | null;
let jobs: Job[];
let unloaded: string[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fabriclens-calls-'));
  for (const folder of ['own/mine', 'shipped/chest', 'images']) mkdirSync(join(dir, folder), { recursive: true });
  for (const name of ['a.png', 'b.png']) writeFileSync(join(dir, 'images', name), '');
  jobs = [];
  unloaded = [];
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function handlers(change: Partial<ModelWiring> = {}): ReturnType<typeof createModelHandlers> {
  const answers: Record<string, unknown> = { 'models.list': { models: [{ id: 'chest', own: false }, { id: 'mine', own: true }], problems: [] } };
  const adder = { run: async (job: Job) => void jobs.push(job), close: async () => {} } as unknown as AdderClient;
  return createModelHandlers({
    adder, modelsDir: join(dir, 'shipped'), userModelsDir: join(dir, 'own'), onProgress: () => {},
    review: {
      call: (async (name: string, request: { id: string }) => {
        if (name === 'models.unload') unloaded.push(request.id);
        return answers[name] ?? {};
      }) as ModelWiring['review']['call'],
    },
    dialogs: { open: async () => choice, save: async () => choice },
    ...change,
  });
}
async function pick(calls: ReturnType<typeof createModelHandlers>, what: 'onnx' | 'metadata' | 'samples', path: string): Promise<string> {
  choice = path;
  return (await calls['models.pick']({ what }, signal)).file!.id;
}

test('a choice has an id and a name, never a path; a folder says how much is in it', async () => {
  const calls = handlers();
  choice = join(dir, 'images');
  const { file } = await calls['models.pick']({ what: 'samples' }, signal);
  expect(file).toMatchObject({ name: 'images', files: 2 });
  expect(JSON.stringify(file)).not.toContain(dir);
  choice = null;
  expect(await calls['models.pick']({ what: 'onnx' }, signal)).toEqual({ file: null });
});

test('what was not chosen, or chosen for something else, is refused', async () => {
  const calls = handlers();
  const folder = await pick(calls, 'samples', join(dir, 'images'));
  for (const model of [folder, '/etc/passwd']) await expect(async () => calls['models.inspect']({ model, metadata: null }, signal)).rejects.toMatchObject({ code: 'unknown-file' });
  expect(jobs).toEqual([]);
});

test('a model goes into the reader’s own folder under its name; a name in use is refused, in any case of letters', async () => {
  const calls = handlers();
  const model = await pick(calls, 'onnx', '/x/net.onnx');
  const samples = await pick(calls, 'samples', join(dir, 'images'));
  const request = { model, metadata: null, samples, method: null, limit: 8 };
  expect(await calls['models.add']({ ...request, fields: FIELDS }, signal)).toEqual({ id: 'hand' });
  expect((jobs[0] as AddJob).out).toBe(join(dir, 'own/hand'));
  for (const name of ['chest', 'Mine']) await expect(calls['models.add']({ ...request, fields: { ...FIELDS, name } }, signal)).rejects.toMatchObject({ code: 'name-taken' });
});

test('one at a time', async () => {
  let finish = (): void => {};
  const calls = handlers({ adder: { run: () => new Promise((resolve) => (finish = () => resolve(null as never))), close: async () => {} } });
  const request = { model: await pick(calls, 'onnx', '/x/net.onnx'), metadata: null, samples: await pick(calls, 'samples', join(dir, 'images')), method: null, limit: 8, fields: FIELDS };
  const first = calls['models.add'](request, signal);
  await expect(calls['models.add'](request, signal)).rejects.toMatchObject({ code: 'busy' });
  await new Promise(setImmediate);
  finish();
  await first;
});

test('only one’s own are removed, and the board lets go of them first', async () => {
  const calls = handlers();
  await expect(calls['models.remove']({ id: 'chest' }, signal)).rejects.toMatchObject({ code: 'not-own' });
  await calls['models.remove']({ id: 'mine' }, signal);
  expect(unloaded).toEqual(['mine']);
  expect([readdirSync(join(dir, 'own')), readdirSync(join(dir, 'shipped'))]).toEqual([[], ['chest']]);
});

test('a damaged report says what to do', async () => {
  for (const file of ['metadata.json', 'report.json']) writeFileSync(join(dir, 'own/mine', file), '{}');
  await expect(handlers()['models.report']({ id: 'mine' }, signal)).rejects.toMatchObject({ code: 'report-unreadable' });
  expect(await handlers()['models.report']({ id: 'chest' }, signal)).toEqual({ report: null });
});
