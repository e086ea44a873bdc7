import { rmSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { agentFixture } from '../../test/support/agent.ts';
import { cable, type Cable } from '../../test/support/sshd.ts';
import type { BoardStatus } from '../contract/ipc.ts';
import { BoardLink, connectBoard } from './link.ts';
import { BoardPool, type Lease } from './pool.ts';
import { startVirtualBoard, type VirtualBoard } from './virtual.ts';

let fixture: Awaited<ReturnType<typeof agentFixture>>;
let agent: VirtualBoard;
const ends: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  fixture = await agentFixture('tiny', 'slow');
  agent = await startVirtualBoard(fixture);
  const warm = connectBoard({ host: '127.0.0.1', port: agent.port, token: agent.token });
  await warm.ready({ timeoutMs: 100_000 });
  await warm.close();
}, 120_000);
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(async () => {
  await agent?.close();
  rmSync(fixture.modelsDir, { recursive: true, force: true });
});

/** A board of this name: the one agent, or another port where one may be. */
const named = (id: string, { virtual = false, port = agent.port } = {}): BoardLink => new BoardLink({
  id, name: id, virtual, link: 'tcp', pollMs: 20,
  open: () => Promise.resolve({ host: '127.0.0.1', port, token: agent.token, close: () => Promise.resolve(), exited: new Promise<string>(() => {}) }),
});
/** All of them ready. */
async function pool(...links: BoardLink[]): Promise<BoardPool> {
  const boards = new BoardPool(links);
  ends.push(() => boards.close());
  await Promise.all(links.map((link) => link.ready({ timeoutMs: 60_000 })));
  return boards;
}
async function take(boards: BoardPool, model = 'tiny', except: string[] = []): Promise<Lease> {
  const lease = await boards.take(model, { except: new Set(except) });
  if (!lease) throw new Error('no board');
  return lease;
}

describe('which board', () => {
  test('runs are spread: each to the one with the fewest, and what is given back counts no more', async () => {
    const boards = await pool(named('a'), named('b'), named('c'));
    const leases = [await take(boards), await take(boards), await take(boards)];
    expect(leases.map(({ id }) => id).sort()).toEqual(['a', 'b', 'c']);
    const [, second] = leases;
    second!.release();
    second!.release(); // once is what counts
    expect((await take(boards)).id).toBe(second!.id);
    expect(new Set([(await take(boards)).id, (await take(boards)).id, (await take(boards)).id]).size).toBe(3);
  });

  test('of equals the quickest with this model; one that was not measured yet gets its turn', async () => {
    const boards = await pool(named('a'), named('b'), named('c'));
    const measure = async (except: string[], ms: number): Promise<string> => {
      const lease = await take(boards, 'tiny', except);
      lease.answered(ms);
      lease.release();
      return lease.id;
    };
    expect(await measure(['b', 'c'], 30)).toBe('a');
    expect(await measure(['a', 'c'], 10)).toBe('b');
    expect(await measure([], 20)).toBe('c');
    expect(await measure([], 10)).toBe('b');
    // Of another model nothing is known by that: the first.
    expect((await take(boards, 'slow')).id).toBe('a');
    expect((await take(boards, 'tiny', ['b'])).id).toBe('c');
  });

  test('the virtual board stands in for real ones only, and a board that is not in use gets nothing', async () => {
    const boards = await pool(named('virtual', { virtual: true }), named('real'));
    expect([(await take(boards)).id, (await take(boards)).id]).toEqual(['real', 'real']);
    boards.use('real', false);
    expect(boards.statuses.map(({ id, use }) => [id, use])).toEqual([['virtual', true], ['real', false]]);
    expect((await take(boards)).id).toBe('virtual');
    boards.use('virtual', false);
    await expect(boards.take('tiny')).rejects.toMatchObject({ code: 'board-absent', message: expect.stringContaining('No board is in use') as string });
    boards.use('real', true);
    expect((await take(boards)).id).toBe('real');
  });

  test('one that serves the model before one that does not', async () => {
    const boards = await pool(named('a'), named('b'));
    const client = await boards.get('a')!.ready();
    // Both are the one agent: what `b` saw before counts until its next look, so it looks seldom here.
    const seldom = new BoardLink({ id: 'b', name: 'b', virtual: false, link: 'tcp', pollMs: 600_000, open: () => Promise.resolve({ host: '127.0.0.1', port: agent.port, token: agent.token, close: () => Promise.resolve(), exited: new Promise<string>(() => {}) }) });
    await seldom.ready({ timeoutMs: 60_000 });
    await boards.add(seldom);
    await client.unload('slow');
    try {
      await expect.poll(() => boards.get('a')!.status.models, { timeout: 20_000 }).not.toContain('slow');
      for (let i = 0; i < 3; i++) expect((await take(boards, 'slow')).id).toBe('b');
      expect((await take(boards)).id).toBe('a');
    } finally {
      await client.load('slow', { timeoutMs: 100_000 });
    }
  });

  test('none ready: waits for the first that gets ready; in vain says why, and then no batch waits as long again', async () => {
    const nobody = named('nobody', { port: 1 });
    const boards = new BoardPool([nobody]);
    ends.push(() => boards.close());
    await expect(boards.take('tiny')).rejects.toMatchObject({ code: 'board-unreachable', message: expect.stringContaining('127.0.0.1:1') as string });
    const began = performance.now();
    await expect(boards.take('tiny')).rejects.toMatchObject({ code: 'board-unreachable' });
    expect(performance.now() - began).toBeLessThan(4_000);
    expect(await boards.take('tiny', { except: new Set(['another']) })).toBeUndefined();
    await boards.add(named('somebody'));
    expect((await take(boards)).id).toBe('somebody');
    const abort = new AbortController();
    await boards.remove('somebody');
    const waiting = boards.take('tiny', { signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  }, 60_000);
});

describe('boards come and go', () => {
  test('one that is removed or replaced is lost to who runs there; the new one keeps its place and whether it is used', async () => {
    const boards = await pool(named('a'), named('b'));
    const told: string[][] = [];
    boards.onStatus((statuses) => told.push(statuses.map(({ id }) => id)));
    const [a, b] = [await take(boards, 'tiny', ['b']), await take(boards, 'tiny', ['a'])];
    boards.use('a', false);
    await boards.add(named('a'));
    expect(a.lost.aborted).toBe(true);
    expect(boards.statuses.map(({ id, use }) => [id, use])).toEqual([['a', false], ['b', true]]);
    expect(b.lost.aborted).toBe(false);
    await boards.remove('b');
    expect(b.lost.reason).toMatchObject({ code: 'board-unreachable' });
    expect(told.at(-1)).toEqual(['a']);
    expect(boards.get('b')).toBeUndefined();
  });

  test('a board behind a cable: connecting, ready, busy, degraded, lost and ready again, each told', async () => {
    const wire: Cable = await cable(agent.port);
    ends.push(() => wire.close());
    const boards = new BoardPool([named('a', { port: wire.port })]);
    ends.push(() => boards.close());
    const states: BoardStatus['state'][] = boards.statuses.map(({ state }) => state);
    boards.onStatus(([status]) => { if (status!.state !== states.at(-1)) states.push(status!.state); });
    boards.start();
    const until = (state: BoardStatus['state']): Promise<unknown> => expect.poll(() => states, { timeout: 60_000, interval: 5 }).toContain(state);
    await until('ready');
    const client = await boards.get('a')!.ready();
    const work = new AbortController();
    const many = Array.from({ length: 8 }, () => client.infer('slow', [{ name: 'image', datatype: 'INT8', shape: [1, 16, 128, 128], data: new Int8Array(16 * 128 * 128) }], { signal: work.signal }).catch(() => undefined));
    await until('busy');
    work.abort();
    await Promise.all(many);
    await expect.poll(() => states.at(-1), { timeout: 60_000 }).toBe('ready');
    const lease = await take(boards);
    wire.pull();
    await until('degraded');
    expect(lease.lost.aborted).toBe(false);
    await until('lost');
    expect(lease.lost.reason).toMatchObject({ code: 'board-unreachable', message: expect.stringContaining('did not answer') as string });
    wire.plug();
    await expect.poll(() => states.at(-1), { timeout: 60_000 }).toBe('ready');
    expect(new Set(states)).toEqual(new Set(['connecting', 'ready', 'busy', 'degraded', 'lost']));
  }, 180_000);
});
