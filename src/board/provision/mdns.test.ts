import fc from 'fast-check';
import { createSocket, type Socket } from 'node:dgram';
import { afterEach, expect, test } from 'vitest';
import { announced, question, readAnswer } from './mdns.ts';

const name = (text: string): Buffer => Buffer.concat([...text.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])), Buffer.alloc(1)]);
const record = (owner: Buffer, type: number, data: Buffer): Buffer => {
  const head = Buffer.alloc(10);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(1, 2);
  head.writeUInt16BE(data.length, 8);
  return Buffer.concat([owner, head, data]);
};
const answer = (...records: Buffer[]): Buffer => {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0x8400, 2);
  head.writeUInt16BE(records.length, 6);
  return Buffer.concat([head, ...records]);
};
const service = (type: string, port: number): Buffer => record(name(`desk.${type}`), 33, Buffer.concat([Buffer.from([0, 0, 0, 0, port >> 8, port & 255]), name('pynq.local')]));

const sockets: Socket[] = [];
afterEach(() => sockets.splice(0).forEach((socket) => socket.close()));
/** Answers every question with these bytes. */
async function responder(...answers: Buffer[]): Promise<{ address: string; port: number }> {
  const socket = createSocket('udp4');
  sockets.push(socket);
  socket.on('message', (bytes, { address, port }) => {
    if (bytes.equals(question())) for (const one of answers) socket.send(one, port, address);
  });
  await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
  return { address: '127.0.0.1', port: socket.address().port };
}

test('an address, a service with its port, and a pointer are read, compressed or not', () => {
  expect(readAnswer(answer(record(name('pynq.local'), 1, Buffer.from([10, 0, 0, 7]))))).toEqual({ name: 'pynq', port: undefined });
  expect(readAnswer(answer(service('_ssh._tcp.local', 2222)))).toEqual({ name: 'pynq', port: 2222 });
  expect(readAnswer(answer(service('_http._tcp.local', 80)))).toBeUndefined();
  expect(readAnswer(answer(record(name('_workstation._tcp.local'), 12, name('board seven._workstation._tcp.local'))))).toEqual({ name: 'board seven', port: undefined });
  // The pointer's data points back at its owner's name.
  expect(readAnswer(answer(record(name('_ssh._tcp.local'), 12, Buffer.concat([Buffer.from([4]), Buffer.from('desk'), Buffer.from([0xc0, 12])]))))).toEqual({ name: 'desk', port: undefined });
});

test('what is no answer is none: a question, a circle, a length past the end, control characters', () => {
  expect(readAnswer(question())).toBeUndefined();
  expect(readAnswer(answer(record(Buffer.from([0xc0, 12]), 1, Buffer.alloc(4))))).toBeUndefined();
  const cut = answer(record(name('pynq.local'), 1, Buffer.from([10, 0, 0, 7])));
  expect(readAnswer(cut.subarray(0, cut.length - 1))).toBeUndefined();
  expect(readAnswer(answer(record(name('py\u001bnq.local'), 1, Buffer.alloc(4))))).toEqual({ name: 'pynq', port: undefined });
});

test('any bytes are read to an end, and say nothing that moves a cursor', () => {
  const noise = fc.uint8Array({ maxLength: 300 });
  const shaped = fc.tuple(fc.array(fc.tuple(noise, fc.constantFrom(1, 12, 33), noise), { maxLength: 4 }), fc.nat(300)).map(([records, cut]) => answer(...records.map(([owner, type, data]) => record(Buffer.from(owner), type, Buffer.from(data)))).subarray(0, 312 - cut));
  fc.assert(fc.property(fc.oneof(noise.map((bytes) => Buffer.from(bytes)), shaped), (bytes) => {
    const said = readAnswer(bytes);
    if (said) {
      expect(said.name).toMatch(/^[\x20-\x7e]{0,63}$/);
      expect(said.port === undefined || (said.port > 0 && said.port < 65_536)).toBe(true);
    }
  }), { numRuns: 500 });
});

test('one answer a machine, from whoever sent it; nonsense beside it does no harm; nobody is nobody', async () => {
  const to = await responder(Buffer.from('nonsense'), ...Array.from({ length: 20 }, () => answer(service('_ssh._tcp.local', 2222))), answer(record(name('other.local'), 1, Buffer.from([8, 8, 8, 8]))));
  expect(await announced(1_000, undefined, { interfaces: ['127.0.0.1'], to })).toEqual([{ host: '127.0.0.1', name: 'pynq', port: 2222 }]);
  expect(await announced(50, undefined, { interfaces: ['127.0.0.1', '192.0.2.1'], to: { address: '127.0.0.1', port: 9 } })).toEqual([]);
  expect(await announced(60_000, AbortSignal.abort(), { interfaces: ['127.0.0.1'], to })).toEqual([]);
  // The real group, from the real interfaces: whoever is there, it comes to an end.
  await announced(200);
});
