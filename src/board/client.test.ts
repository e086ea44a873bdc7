import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { agentFixture } from '../../test/support/agent.ts';
import { OipClient } from './client.ts';
import type { Tensor } from './protocol.ts';
import { startVirtualBoard, type OpenBoard } from './virtual.ts';

let fixture: Awaited<ReturnType<typeof agentFixture>>;
let board: OpenBoard;
let client: OipClient;

beforeAll(async () => {
  fixture = await agentFixture('tiny', 'slow', 'tail');
  board = await startVirtualBoard(fixture);
  client = new OipClient(board);
  await vi.waitUntil(() => client.ready().then(() => true, () => false), { timeout: 100_000 });
});
afterAll(async () => {
  client?.close();
  await board?.close();
  if (fixture) rmSync(fixture.modelsDir, { recursive: true, force: true });
});

const codes = Int8Array.from({ length: 64 }, (_, i) => (i * 37) % 256 - 128);
const image = (data: Int8Array | Float32Array = codes): Tensor => ({ name: 'image', datatype: data instanceof Int8Array ? 'INT8' : 'FP32', shape: [1, 1, 8, 8], data });
const slow: Tensor = { name: 'image', datatype: 'INT8', shape: [1, 16, 128, 128], data: new Int8Array(16 * 128 * 128) };

describe('OipClient with the agent', () => {
  test('what the server is and has', async () => {
    expect(await client.serverMetadata()).toMatchObject({ name: 'fabriclens-agent', parameters: { backend: 'golden' } });
    const model = await client.modelMetadata('tiny');
    expect(model).toMatchObject({ name: 'tiny', versions: ['1.2.0'] });
    expect(model.inputs).toEqual([{ name: 'image', datatype: 'FP32', shape: [-1, 1, 8, 8], parameters: { accepts: 'FP32,INT8', scale: 0.03125, zero_point: 3 } }]);
    expect(await client.modelMetadata('tiny', { version: '1.2.0' })).toEqual(model);
  });

  test('INT8 codes and the FP32 values they stand for give one answer', async () => {
    const byCodes = await client.infer('tiny', [image()]);
    const byValues = await client.infer('tiny', [image(Float32Array.from(codes, (code) => (code - 3) * 0.03125))], { version: '1.2.0' });
    expect([...byCodes.outputs.keys()]).toEqual(['logits', 'features']);
    expect(byCodes.outputs.get('features')).toMatchObject({ datatype: 'FP32', shape: [1, 4, 8, 8] });
    expect(byCodes.outputs.get('logits')?.data).toBeInstanceOf(Float32Array);
    expect([...byCodes.outputs.values()].map(({ data }) => data.length)).toEqual([2, 256]);
    expect(byValues.outputs).toEqual(byCodes.outputs);
    expect(byCodes.parameters).toMatchObject({ timing_source: 'host', backend: 'golden' });
    expect(byCodes.roundTripMs * 1e6).toBeGreaterThanOrEqual(byCodes.parameters['timing_total_ns'] as number);
  });

  test('an output that the processor computed in fp32 comes with all its axes', async () => {
    const { outputs } = await client.infer('tail', [image()]);
    const [features, scores] = [outputs.get('features'), outputs.get('scores')];
    expect(scores).toMatchObject({ datatype: 'FP32', shape: [1, 2, 2, 8, 8] });
    const want = Array.from({ length: 256 }, (_, i) => 1 / (1 + Math.exp(-(features?.data[[0, 2, 1, 3][i >> 6]! * 64 + (i & 63)] as number))));
    const got = Array.from(scores?.data ?? [], Number);
    got.forEach((score, i) => expect(score).toBeCloseTo(want[i]!, 6));
    expect(new Set(got).size).toBeGreaterThan(20);
  });

  test('only the outputs that were asked for come', async () => {
    expect([...(await client.infer('tiny', [image()], { outputs: ['logits'] })).outputs.keys()]).toEqual(['logits']);
  });

  test('refusals carry the server\'s reason under a stable code', async () => {
    await expect(client.infer('absent', [image()])).rejects.toMatchObject({ code: 'model-absent', message: expect.stringContaining("'absent'") as string });
    await expect(client.infer('tiny', [{ ...image(), name: 'picture' }])).rejects.toMatchObject({ code: 'bad-request', message: expect.stringContaining("'image' (FP32 or INT8, shape [1, 1, 8, 8])") as string });
    await expect(client.infer('tiny', [{ ...image(), shape: [64] }])).rejects.toMatchObject({ code: 'bad-request' });
    await expect(client.infer('tiny', [image()], { outputs: ['nothing'] })).rejects.toMatchObject({ code: 'bad-request' });
    await expect(client.infer('tiny', [image(new Float32Array(64).fill(NaN))])).rejects.toMatchObject({ code: 'bad-request' });
    await expect(client.infer('tiny', [{ ...image(), shape: [1, 1, 8, 9] }])).rejects.toThrow(RangeError);
    await expect(new OipClient({ ...board, token: 'x'.repeat(43) }).infer('tiny', [image()])).rejects.toMatchObject({ code: 'unauthorised' });
    await expect(new OipClient({ ...board, token: undefined }).ready()).rejects.toMatchObject({ code: 'unauthorised' });
  });

  test('repository and statistics', async () => {
    expect((await client.repositoryIndex())?.map(({ name, state }) => [name, state])).toEqual([['slow', 'READY'], ['tail', 'READY'], ['tiny', 'READY']]);
    await client.unload('tiny');
    await expect(client.infer('tiny', [image()])).rejects.toMatchObject({ code: 'model-absent' });
    await client.load('tiny');
    await client.infer('tiny', [image()]);
    expect((await client.statistics('tiny'))?.model_stats[0]).toMatchObject({ name: 'tiny', inference_count: 1 });
    await expect(client.load('nothing')).rejects.toMatchObject({ code: 'bad-request', message: expect.stringContaining('nothing') as string });
  });

  test('a batch comes back stacked', async () => {
    const [one, other] = [image(), image(codes.map((code) => code >> 1))];
    const alone = [await client.infer('tiny', [one]), await client.infer('tiny', [other])];
    const both = await client.infer('tiny', [{ ...one, shape: [2, 1, 8, 8], data: Int8Array.of(...(one.data as Int8Array), ...(other.data as Int8Array)) }]);
    expect(both.outputs.get('logits')).toMatchObject({ shape: [2, 2] });
    for (const name of ['logits', 'features']) {
      expect(Array.from(both.outputs.get(name)!.data as Float32Array)).toEqual(alone.flatMap(({ outputs }) => Array.from(outputs.get(name)!.data as Float32Array)));
    }
  });

  test('telemetry and the trace of what was asked', async () => {
    const { parameters } = await client.infer('tiny', [image()]);
    const trace = await client.trace();
    expect(trace?.requests[0]).toMatchObject({ id: parameters['trace_id'], model: 'tiny', status: 200, batch: 1, source: 'host' });
    const telemetry = await client.telemetry();
    expect(telemetry).toMatchObject({ backend: 'golden', queue_depth: 0, pl_clock_khz: null });
    expect(telemetry?.absent['pl_clock_khz']).toContain('processor');
  });

  test('the core\'s cycles, for the default clock and another', async () => {
    const estimate = await client.estimate('tiny');
    expect(estimate?.layers.map(({ name, target }) => [name, target])).toEqual([['conv', 'PL'], ['dense', 'PL']]);
    expect(estimate).toMatchObject({ clock_khz: 100_000, macs_per_cycle: 384 });
    const faster = await client.estimate('tiny', { setting: { clockKhz: 200_000, bytesPerSecond: 1e9, latencyNs: 400 } });
    expect(faster?.cycles).toBeGreaterThan(estimate?.cycles ?? Infinity);
    await expect(client.estimate('tiny', { setting: { clockKhz: 1, bytesPerSecond: 1e9, latencyNs: 400 } })).rejects.toMatchObject({ code: 'bad-request' });
  });

  test('cancelling frees the board', async () => {
    const count = async (): Promise<number | undefined> => (await client.statistics('slow'))?.model_stats[0]?.inference_stats['cancel']?.count;
    const before = await count();
    const abort = new AbortController();
    const run = client.infer('slow', [slow], { signal: abort.signal });
    await expect.poll(async () => (await client.serverMetadata()).parameters?.['queue_depth'], { timeout: 60_000, interval: 5 }).toBe(1);
    abort.abort();
    await expect(run).rejects.toMatchObject({ code: 'cancelled' });
    await expect.poll(count, { timeout: 60_000 }).toBe((before ?? 0) + 1);
    await expect(client.infer('tiny', [image()], { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
    await expect(client.infer('tiny', [image()])).resolves.toHaveProperty('outputs');
  });

  test('a timeout is said, and the client goes on', async () => {
    await expect(client.infer('slow', [slow], { timeoutMs: 30 })).rejects.toMatchObject({ code: 'timeout', message: expect.stringContaining('30 ms') as string });
    await expect(client.infer('tiny', [image()])).resolves.toHaveProperty('outputs');
  });

  test('many at once get each their own answer', async () => {
    const inputs = Array.from({ length: 24 }, (_, k) => image(codes.map((code) => (code + 11 * k) % 128)));
    const alone = [];
    for (const input of inputs) alone.push((await client.infer('tiny', [input])).outputs);
    const together = await Promise.all(inputs.map((input) => client.infer('tiny', [input])));
    expect(together.map(({ outputs }) => outputs)).toEqual(alone);
  });
});
