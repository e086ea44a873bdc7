import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { classifier } from '../../test/support/classifier.ts';
import { writeDetectorPackage } from '../../test/support/detector-package.ts';
import { writeTinyPackage } from '../../test/support/model-package.ts';
import { BoardLink, BoardPool, connectBoard, type OpenBoard } from '../board/index.ts';
import { ModelMetadata } from '../contract/model.ts';
import { createBoardEngine, timings } from './board.ts';
import { readOutputs } from './outputs.ts';
import type { ModelPackage } from './package.ts';

const ns = (source: string, queue: number, pl: number, ps: number, total: number): Record<string, string | number> => ({
  timing_source: source, timing_queue_ns: queue * 1e6, timing_pl_ns: pl * 1e6, timing_ps_ns: ps * 1e6, timing_total_ns: total * 1e6,
});
const shown = (parts: ReturnType<typeof timings>): string[] => parts.map(({ part, source, ms }) => `${part} ${source} ${ms}`);

describe('where a round trip went', () => {
  test('wall-clock times leave the rest to transfer, so that the parts add up to what was waited for', () => {
    expect(shown(timings({ parameters: ns('measured', 1, 10, 2, 14), roundTripMs: 20 }))).toEqual(['transfer host 7', 'queue measured 1', 'pl measured 10', 'ps measured 2']);
    const time = fc.integer({ min: 0, max: 1000 });
    fc.assert(fc.property(fc.constantFrom('measured', 'host'), time, time, time, time, (source, queue, pl, ps, rest) => {
      const parts = timings({ parameters: ns(source, queue, pl, ps, queue + pl + ps), roundTripMs: queue + pl + ps + rest });
      expect(parts.reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(queue + pl + ps + rest, 6);
    }));
  });

  test("simulated cycles are not of this round trip: the server's total is taken off instead", () => {
    expect(shown(timings({ parameters: ns('rtl', 1, 30, 2, 4000), roundTripMs: 4003 }))).toEqual(['transfer host 3', 'queue host 1', 'pl rtl 30', 'ps rtl 2']);
  });

  test('a modelled pl beside a ps by the clock: each part has its own source', () => {
    const parameters = { ...ns('host', 1, 7, 2, 40), timing_pl_source: 'model' };
    expect(shown(timings({ parameters, roundTripMs: 44 }))).toEqual(['transfer host 4', 'queue host 1', 'pl model 7', 'ps host 2']);
    expect(shown(timings({ parameters: { ...parameters, timing_pl_source: 'guess' }, roundTripMs: 44 }))).toEqual(['transfer host 41', 'queue host 1', 'ps host 2']);
  });

  test('a server that tells nothing, or nonsense, leaves everything to transfer', () => {
    const told: Record<string, string | number>[] = [{}, { timing_pl_ns: 5e6 }, { timing_source: 'guess', timing_pl_ns: 5e6 }, { timing_source: 'host', timing_pl_ns: -1, timing_ps_ns: 'x' }];
    for (const parameters of told) {
      expect(shown(timings({ parameters, roundTripMs: 9 }))).toEqual(['transfer host 9']);
    }
  });

  test('never negative, whatever the clocks say', () => {
    expect(timings({ parameters: ns('measured', 0, 50, 0, 50), roundTripMs: 10 })[0]).toEqual({ part: 'transfer', source: 'host', ms: 0 });
  });
});

describe('any server of the protocol', () => {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  /** Declares the program that the board engine wants to see declared; nobody here looks at its bytes. */
  function tinyPackage(): ModelPackage {
    const folder = mkdtempSync(join(tmpdir(), 'fabriclens-board-engine-'));
    ends.push(() => rmSync(folder, { recursive: true }));
    const dir = writeTinyPackage(folder, 'tiny', (m) => { m.fabriclens.sha256['program.bin'] = '0'.repeat(64); });
    writeFileSync(join(dir, 'program.bin'), '');
    return { dir, metadata: ModelMetadata.parse(JSON.parse(readFileSync(join(dir, 'metadata.json'), 'utf8'))) };
  }

  interface Sent { inputs: { name: string; datatype: string; data: number[] }[]; outputs?: { name: string }[] }
  const CLASSIFIED = [{ name: 'logits', datatype: 'FP32', shape: [1, 2], data: [1, 2] }, { name: 'features', datatype: 'FP32', shape: [1, 4, 8, 8], data: Array(256).fill(0.5) }];
  const input = Float32Array.from({ length: 256 }, (_, i) => Math.fround(i / 7));

  /** An OIP server with neither extensions nor parameters: JSON only. Gives back what it was sent. */
  async function server(inputs: object[], outputs: object[] = CLASSIFIED): Promise<{ link: BoardLink; sent: Sent[] }> {
    const sent: Sent[] = [];
    const http: Server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
        if (request.url?.endsWith('/infer')) sent.push(JSON.parse(Buffer.concat(chunks).toString()) as Sent);
        const answers: Record<string, object> = {
          '/v2': { name: 'other', version: '1' },
          '/v2/health/ready': {},
          '/v2/models/tiny': { name: 'tiny', platform: 'onnx', inputs, outputs: [] },
          '/v2/models/tiny/infer': { model_name: 'tiny', outputs },
        };
        response.end(JSON.stringify(answers[request.url ?? '']));
      });
    });
    await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));
    const link = connectBoard({ host: '127.0.0.1', port: (http.address() as AddressInfo).port });
    ends.push(() => new Promise((done) => http.close(done)), () => link.close());
    return { link, sent };
  }
  const image = (more: object): object => ({ name: 'image', datatype: 'FP32', shape: [1, 1, 16, 16], ...more });

  test('one that takes FP32 only is sent the values, one that takes INT8 the codes', async () => {
    for (const [metadata, datatype] of [[image({}), 'FP32'], [image({ parameters: { accepts: 'FP32,INT8' } }), 'INT8'], [image({ datatype: 'INT8' }), 'INT8']] as const) {
      const { link, sent } = await server([metadata]);
      const engine = createBoardEngine({ boards: new BoardPool([link]), software: 'test' });
      await engine.load(tinyPackage());
      const { logits, parts, identity } = classifier(await engine.infer(input));
      expect([...logits]).toEqual([1, 2]);
      expect(sent.at(-1)!.inputs[0]).toMatchObject({ name: 'image', datatype });
      if (datatype === 'FP32') expect(sent.at(-1)!.inputs[0]!.data).toEqual([...input]);
      else expect(sent.at(-1)!.inputs[0]!.data.every((code) => Number.isInteger(code) && Math.abs(code) <= 128)).toBe(true);
      expect(parts.some(({ part }) => part === 'preprocess')).toBe(datatype === 'INT8');
      expect(identity.runner).toContain('program not confirmed by the server');
    }
  });

  test('one whose model takes something else is refused by name, before anything travels', async () => {
    for (const [inputs, word] of [[[image({ name: 'picture' })], '"picture"'], [[image({ datatype: 'UINT8' })], 'UINT8'], [[image({}), image({ name: 'mask' })], '"mask"']] as const) {
      const { link, sent } = await server([...inputs]);
      await expect(createBoardEngine({ boards: new BoardPool([link]), software: 'test' }).load(tinyPackage())).rejects.toMatchObject({ code: 'model-mismatch', message: expect.stringContaining(word) as string });
      expect(sent).toEqual([]);
    }
  });

  test('of a detector’s program the detections alone are asked for, of one without them the predictions', async () => {
    for (const detections of ['detections', undefined]) {
      const folder = mkdtempSync(join(tmpdir(), 'fabriclens-board-engine-'));
      ends.push(() => rmSync(folder, { recursive: true }));
      const dir = writeDetectorPackage(folder, 'tiny', (m) => {
        m.fabriclens.sha256['program.bin'] = '0'.repeat(64);
        if (detections !== undefined) m.fabriclens.outputs.detections = detections;
        m.fabriclens.detection.maxDetections = 2;
      });
      const rows = detections ? [[1, 2, 3, 4, 0.5, 1], [0, 0, 0, 0, 0, -1]] : [[2, 3, 2, 2, 1, 0.1, 0.5]];
      const { link, sent } = await server([{ name: 'image', datatype: 'FP32', shape: [1, 3, 128, 128] }], [{ name: detections ?? 'predictions', datatype: 'FP32', shape: [1, rows.length, rows[0]!.length], data: rows.flat() }]);
      const engine = createBoardEngine({ boards: new BoardPool([link]), software: 'test' });
      await engine.load({ dir, metadata: ModelMetadata.parse(JSON.parse(readFileSync(join(dir, 'metadata.json'), 'utf8'))) });
      const result = await engine.infer(new Float32Array(3 * 128 * 128));
      expect(sent.at(-1)).toMatchObject({ outputs: [{ name: detections ?? 'predictions' }] });
      expect(sent.at(-1)!.outputs).toHaveLength(1);
      expect(result).toMatchObject({ task: 'detection', raw: { kind: detections ?? 'predictions', rows: rows.length, values: rows[0]!.length } });
    }
  });

  test('detections of another shape are no answer', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fabriclens-board-engine-'));
    ends.push(() => rmSync(folder, { recursive: true }));
    const dir = writeDetectorPackage(folder, 'tiny', (m) => { m.fabriclens.outputs.detections = 'detections'; });
    const pkg = { dir, metadata: ModelMetadata.parse(JSON.parse(readFileSync(join(dir, 'metadata.json'), 'utf8'))) };
    const answer = (shape: number[]): object => readOutputs(pkg, { detections: { data: new Float32Array(shape.reduce((a, b) => a * b)), shape } }, 'program');
    expect(answer([1, 300, 6])).toMatchObject({ task: 'detection' });
    expect(() => answer([1, 300, 7])).toThrow('Model tiny: "detections" has the shape [1, 300, 7], not [1, 300, 6].');
    expect(() => readOutputs(pkg, {}, 'program')).toThrow('lacks its output "detections"');
  });

  test('an answer that is no finite number is no answer', () => {
    const pkg = tinyPackage();
    const answer = (logits: number[], feature: number): object => readOutputs(pkg, { logits: { data: Float32Array.from(logits), shape: [1, 2] }, features: { data: new Float32Array(4).fill(feature), shape: [1, 4, 1, 1] } }, 'program');
    expect(answer([1, 2], 3)).toHaveProperty('logits');
    expect(() => answer([1, NaN], 3)).toThrow('Model tiny: "logits" holds NaN, which is no finite number.');
    expect(() => answer([1, 2], -Infinity)).toThrow('"features" holds -Infinity');
  });

  test('a cancelled wait is not a missed board: the next one waits as long as the first', async () => {
    let arrived: (board: OpenBoard) => void = () => {};
    const { link: reachable } = await server([image({})]);
    const { address } = await reachable.ready();
    const link = new BoardLink({ id: 'late', name: 'late', virtual: true, link: 'process', open: () => new Promise((resolve) => { arrived = resolve; }) });
    ends.push(() => link.close());
    const engine = createBoardEngine({ boards: new BoardPool([link]), software: 'test' });
    await expect(engine.load(tinyPackage(), { signal: AbortSignal.timeout(5) })).rejects.toMatchObject({ code: 'cancelled' });
    const load = engine.load(tinyPackage());
    const outcome = load.then(() => 'ready', (error: Error) => error.message);
    const [host, port] = address.split(':') as [string, string];
    setTimeout(() => arrived({ host, port: Number(port), close: () => Promise.resolve(), exited: new Promise(() => {}) }), 1_000);
    expect(await outcome).toBe('ready');
  });
});
