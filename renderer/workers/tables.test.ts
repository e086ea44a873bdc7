import { expect, test, vi } from 'vitest';
import type { GreyFrame, Voi } from '../../src/contract/pixels.ts';
import type { WorkerPort } from './pool.ts';
import type { TableRequest, TableResult, WorkerRequest } from './protocol.ts';
import { TableMaker } from './tables.ts';

const frame: GreyFrame = {
  kind: 'grey', rows: 1, columns: 2, pixels: Int16Array.of(1, 2), min: 1, max: 2, modality: { kind: 'linear', slope: 1, intercept: 0 },
  voi: [], voiFromFile: true, windows: [], inverted: false, units: '',
};
const pane = {};
const voi = (width: number): Voi => ({ kind: 'window', center: 0, width, function: 'LINEAR' });

function setUp(): { maker: TableMaker; ports: Array<WorkerPort & { asked: WorkerRequest[] }>; answer: () => void } {
  const ports: Array<WorkerPort & { asked: WorkerRequest[] }> = [];
  const maker = new TableMaker(() => {
    const asked: WorkerRequest[] = [];
    const port = { asked, onmessage: null, onerror: null, postMessage: (r: WorkerRequest) => void asked.push(r), terminate: () => {} };
    ports.push(port);
    return port;
  });
  const answer = (): void => {
    const port = ports.at(-1)!;
    const { id, voi: asked } = port.asked.at(-1) as { id: number } & TableRequest;
    port.onmessage!({ data: { id, ok: true, value: { first: (asked as { width: number }).width, step: 1, values: new Uint8ClampedArray() } satisfies TableResult } });
  };
  return { maker, ports, answer };
}

test('no pixels travel, only their type; of the wishes that pile up the newest is made next', () => {
  const { maker, ports, answer } = setUp();
  const made: number[] = [];
  for (const width of [1, 2, 3, 4]) maker.make(pane, frame, voi(width), false, (table) => made.push(table.first), () => {});
  expect(ports[0]!.asked).toHaveLength(1);
  expect(ports[0]!.asked[0]).toMatchObject({ header: { pixelType: 'Int16Array', min: 1 } });
  expect(ports[0]!.asked[0]).not.toHaveProperty('header.pixels');
  answer();
  answer();
  expect(made).toEqual([1, 4]);
});

test('panes do not take one another’s wishes', () => {
  const { maker, answer } = setUp();
  const made: number[] = [];
  const other = {};
  for (const [asker, width] of [[pane, 1], [pane, 2], [other, 3], [pane, 4]] as const) maker.make(asker, frame, voi(width), false, (table) => made.push(table.first), () => {});
  for (let i = 0; i < 3; i++) answer();
  expect(made).toEqual([1, 4, 3]);
});

test('a worker that dies fails its wish, and the next wish gets a new one', () => {
  const { maker, ports, answer } = setUp();
  const failed = vi.fn();
  maker.make(pane, frame, voi(1), false, () => {}, failed);
  ports[0]!.onerror!({ message: 'memory' });
  expect(failed).toHaveBeenCalledWith('memory');
  const made = vi.fn();
  maker.make(pane, frame, voi(2), false, made, () => {});
  expect(ports).toHaveLength(2);
  answer();
  expect(made).toHaveBeenCalledTimes(1);
});
