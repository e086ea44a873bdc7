import { describe, expect, test, vi } from 'vitest';
import { DecodeError, DecodePool, isAbort, PRIORITY, type WorkerPort } from './pool.ts';
import type { DecodedFrame, WorkerRequest } from './protocol.ts';

/** A worker whose answers the test gives by hand. */
class HandWorker implements WorkerPort {
  onmessage: WorkerPort['onmessage'] = null;
  onerror: WorkerPort['onerror'] = null;
  readonly asked: WorkerRequest[] = [];
  ended = false;
  postMessage(request: WorkerRequest): void {
    this.asked.push(request);
  }
  terminate(): void {
    this.ended = true;
  }
  get last(): WorkerRequest & { kind: 'frame' } {
    return this.asked.at(-1) as WorkerRequest & { kind: 'frame' };
  }
  answer(decodeMs = 0): void {
    this.onmessage!({ data: { id: this.last.id, ok: true, value: { decodeMs } as DecodedFrame } });
  }
}

function poolOf(size: number): { pool: DecodePool; workers: HandWorker[] } {
  const workers: HandWorker[] = [];
  const pool = new DecodePool(() => {
    const worker = new HandWorker();
    workers.push(worker);
    return worker;
  }, size);
  return { pool, workers };
}
const frame = (instanceId: string, n = 0): { kind: 'frame'; instanceId: string; frame: number } => ({ kind: 'frame', instanceId, frame: n });
const quiet = (promise: Promise<unknown>): void => void promise.catch(() => {});

describe('the decoding pool', () => {
  test('what the reader waits for goes before what was asked earlier', async () => {
    const { pool, workers: [worker] } = poolOf(1);
    quiet(pool.run(frame('busy'), PRIORITY.shown));
    quiet(pool.run({ kind: 'thumb', instanceId: 't', frame: 0, size: 8 }, PRIORITY.thumb));
    quiet(pool.run(frame('ahead'), PRIORITY.ahead));
    const shown = pool.run(frame('shown'), PRIORITY.shown);
    worker!.answer();
    expect(worker!.last.instanceId).toBe('shown');
    worker!.answer(7);
    expect(await shown).toEqual({ decodeMs: 7 });
    expect(worker!.last.instanceId).toBe('ahead');
  });

  test('what nobody waits for any more is never begun', async () => {
    const { pool, workers: [worker] } = poolOf(1);
    quiet(pool.run(frame('busy'), PRIORITY.shown));
    const abort = new AbortController();
    const dropped = pool.run(frame('dropped'), PRIORITY.ahead, abort.signal);
    abort.abort();
    await expect(dropped).rejects.toSatisfy(isAbort);
    worker!.answer();
    expect(worker!.asked.map((r) => (r as { instanceId: string }).instanceId)).toEqual(['busy']);
  });

  test('one aborted while it runs rejects at once, and its late answer goes to no one', async () => {
    const { pool, workers: [worker] } = poolOf(1);
    const abort = new AbortController();
    const first = pool.run(frame('first'), PRIORITY.shown, abort.signal);
    abort.abort();
    await expect(first).rejects.toSatisfy(isAbort);
    const second = pool.run(frame('second'), PRIORITY.shown);
    worker!.answer(1);
    worker!.answer(2);
    expect(await second).toEqual({ decodeMs: 2 });
  });

  test('frames of one instance go to the worker that has its file', () => {
    const { pool, workers } = poolOf(2);
    quiet(pool.run(frame('a'), PRIORITY.shown));
    quiet(pool.run(frame('b'), PRIORITY.shown));
    workers[0]!.answer();
    workers[1]!.answer();
    quiet(pool.run(frame('b', 1), PRIORITY.shown));
    expect(workers[1]!.last).toMatchObject({ instanceId: 'b', frame: 1 });
  });

  test('thumbnails leave one worker free', () => {
    const { pool, workers } = poolOf(2);
    for (const id of ['a', 'b']) quiet(pool.run({ kind: 'thumb', instanceId: id, frame: 0, size: 8 }, PRIORITY.thumb));
    expect(workers.map((w) => w.asked.length)).toEqual([1, 0]);
    quiet(pool.run(frame('shown'), PRIORITY.shown));
    expect(workers[1]!.last.instanceId).toBe('shown');
  });

  test('thumbnails wait for the picture that a reader waits for', () => {
    const { pool, workers } = poolOf(3);
    quiet(pool.run(frame('shown'), PRIORITY.shown));
    quiet(pool.run({ kind: 'thumb', instanceId: 't', frame: 0, size: 8 }, PRIORITY.thumb));
    quiet(pool.run(frame('ahead'), PRIORITY.ahead));
    expect(workers.map(({ asked }) => asked.map((request) => request.kind))).toEqual([['frame'], ['frame'], []]);
    workers[0]!.answer();
    expect(workers[0]!.asked.map((request) => request.kind)).toEqual(['frame', 'thumb']);
  });

  test('a dropped file goes along with what is asked of it, until its instance is closed', () => {
    const { pool, workers: [worker] } = poolOf(1);
    const file = new File(['x'], 'a.dcm');
    const asked = (): unknown[] => {
      quiet(pool.run(frame('a'), PRIORITY.shown));
      worker!.answer();
      return [worker!.last.dropped];
    };
    pool.expect([{ id: 'a', file }]);
    // Not yet known to the library.
    pool.keep(new Set(['b']));
    expect(asked()).toEqual([file]);
    pool.keep(new Set(['a', 'b']));
    expect(asked()).toEqual([file]);
    pool.keep(new Set(['b']));
    expect(asked()).toEqual([undefined]);
    pool.expect([{ id: 'a', file }]);
    pool.expect([{ id: 'c', file }]);
    expect(asked()).toEqual([undefined]);
  });

  test('an error of the decoder carries its code', async () => {
    const { pool, workers: [worker] } = poolOf(1);
    const bad = pool.run(frame('bad'), PRIORITY.shown);
    worker!.onmessage!({ data: { id: worker!.last.id, ok: false, code: 'truncated', message: 'cut short' } });
    await expect(bad).rejects.toMatchObject({ code: 'truncated', message: 'cut short' });
    await expect(bad).rejects.toBeInstanceOf(DecodeError);
  });

  test('workers made anew take over: the idle ones at once, a busy one when its answer is there', async () => {
    const { pool, workers } = poolOf(2);
    const busy = pool.run(frame('a'), PRIORITY.shown);
    pool.renew();
    expect(workers.map(({ ended }) => ended)).toEqual([false, true, false]);
    workers[0]!.answer(5);
    expect(await busy).toEqual({ decodeMs: 5 });
    expect(workers.map(({ ended }) => ended)).toEqual([true, true, false, false]);
    quiet(pool.run(frame('b'), PRIORITY.shown));
    expect(workers[3]!.asked).toHaveLength(1);
  });

  test('a worker that dies fails its own image only and is replaced', async () => {
    const { pool, workers } = poolOf(1);
    const killer = pool.run(frame('killer'), PRIORITY.shown);
    const next = pool.run(frame('next'), PRIORITY.shown);
    workers[0]!.onerror!({ message: 'out of memory' });
    await expect(killer).rejects.toMatchObject({ code: 'worker-died' });
    expect(workers[0]!.ended).toBe(true);
    expect(workers).toHaveLength(2);
    workers[1]!.answer(3);
    expect(await next).toEqual({ decodeMs: 3 });
  });

  test('a worker that never comes back is ended and replaced; one that answers late but in time is not', async () => {
    vi.useFakeTimers();
    try {
      const { pool, workers } = poolOf(1);
      const slow = pool.run(frame('slow'), PRIORITY.shown);
      vi.advanceTimersByTime(59_000);
      workers[0]!.answer(1);
      expect(await slow).toEqual({ decodeMs: 1 });
      const hung = pool.run(frame('hung'), PRIORITY.shown);
      const next = pool.run(frame('next'), PRIORITY.shown);
      vi.advanceTimersByTime(59_000);
      expect(workers[0]!.ended).toBe(false);
      vi.advanceTimersByTime(1000);
      await expect(hung).rejects.toMatchObject({ code: 'worker-died', message: expect.stringContaining('within 60 s') as string });
      expect(workers[0]!.ended).toBe(true);
      workers[1]!.answer(3);
      expect(await next).toEqual({ decodeMs: 3 });
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test('a worker that cannot start fails what is asked of it and no more', async () => {
    const { pool, workers } = poolOf(1);
    workers[0]!.onerror!({ message: 'blocked' });
    expect(workers).toHaveLength(1);
    for (const attempt of [2, 3, 4]) {
      const task = pool.run(frame('a'), PRIORITY.shown);
      expect(workers).toHaveLength(attempt);
      workers.at(-1)!.onerror!({ message: 'blocked' });
      await expect(task).rejects.toMatchObject({ code: 'worker-died' });
    }
  });
});
