import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { createAdder, type AdderChild } from './adder-client.ts';
import type { AddJob, FromAdder, InspectJob, ToAdder } from './adder-messages.ts';

const ADD: AddJob = {
  kind: 'add', model: '/m.onnx', metadata: null, samples: '/s', out: '/own/m', method: null, limit: 8,
  fields: { name: 'm', title: 'M', task: 'classification', labels: null, modalities: [], preprocessing: { width: 8, height: 8, channels: 1, fit: 'squash', pad: 0, resample: 'triangle', mean: 0, std: 1 } },
};
const INSPECT: InspectJob = { kind: 'inspect', model: '/m.onnx', metadata: null };

class Child extends EventEmitter implements AdderChild {
  readonly got: ToAdder['kind'][] = [];
  killed = false;
  postMessage({ kind }: ToAdder): void {
    this.got.push(kind);
  }
  say(message: FromAdder): void {
    this.emit('message', message);
  }
  kill(): void {
    if (this.killed) return;
    this.killed = true;
    setImmediate(() => this.emit('exit', 143));
  }
}

function setUp(patienceMs = 30): { child: Child; swept: () => number; adder: ReturnType<typeof createAdder> } {
  const child = new Child();
  let swept = 0;
  return { child, swept: () => swept, adder: createAdder({ fork: () => child, sweep: async () => void swept++, patienceMs }) };
}
const code = (error: { code: string }): string => error.code;

test('progress, then the answer; the process is ended and what it may have left is looked for', async () => {
  const { child, swept, adder } = setUp();
  const seen: string[] = [];
  const work = adder.run(ADD, new AbortController().signal, ({ step, done, total }) => seen.push(`${step} ${done}/${total}`));
  child.say({ kind: 'progress', step: 'compiling', done: 0, total: 1 });
  child.say({ kind: 'done', value: null });
  expect(await work).toBe(null);
  expect([seen, child.killed, swept(), child.got]).toEqual([['compiling 0/1'], true, 1, ['job']]);
});

test('what the compiler refuses comes with its node', async () => {
  const { child, adder } = setUp();
  const work = adder.run(INSPECT, new AbortController().signal);
  child.say({ kind: 'failed', error: { code: 'not-compiled', message: 'no', node: 'conv1' } });
  await expect(work).rejects.toMatchObject({ code: 'not-compiled', message: 'no', node: 'conv1' });
});

test('cancelling asks first, and ends a process that does not listen; leftovers go', async () => {
  const { child, swept, adder } = setUp(20);
  const controller = new AbortController();
  const work = adder.run(ADD, controller.signal).catch(code);
  controller.abort();
  expect([child.got, child.killed]).toEqual([['job', 'abort'], false]);
  expect(await work).toBe('cancelled');
  expect([child.killed, swept()]).toEqual([true, 1]);
});

test('a process that dies is named, and its leftovers go', async () => {
  const { child, swept, adder } = setUp();
  const work = adder.run(ADD, new AbortController().signal).catch(code);
  child.emit('exit', 134);
  expect(await work).toBe('adder-lost');
  expect(swept()).toBe(1);
});

test('quitting ends what runs, then looks for leftovers', async () => {
  const { child, swept, adder } = setUp();
  const work = adder.run(ADD, new AbortController().signal).catch(code);
  await adder.close();
  expect(await work).toBe('adder-lost');
  expect(child.killed).toBe(true);
  expect(swept()).toBeGreaterThan(0);
});
