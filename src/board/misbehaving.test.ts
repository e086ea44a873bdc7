/** The client against a peer that breaks the protocol in every way we could think of: always a BoardError, never a hang, never a crash. */
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { OipClient } from './client.ts';
import type { Tensor } from './protocol.ts';

const open: Array<{ server: Server; sockets: Set<Socket> }> = [];
afterEach(async () => {
  for (const { server, sockets } of open.splice(0)) {
    sockets.forEach((socket) => socket.destroy());
    await new Promise((done) => server.close(done));
  }
});

/** A TCP server that calls `answer` for each request (a head and its announced body); port and how many connections came. */
async function peer(answer: (socket: Socket, request: string, count: number) => void): Promise<{ port: number; connections: () => number }> {
  const sockets = new Set<Socket>();
  let connections = 0;
  let count = 0;
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    let bytes = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf('\r\n\r\n');
      const head = bytes.subarray(0, Math.max(0, end)).toString('latin1');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (end < 0 || bytes.length < end + 4 + length) return;
      bytes = bytes.subarray(end + 4 + length);
      answer(socket, head, count++);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  open.push({ server, sockets });
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
}

const clientOf = (port: number, more = {}): OipClient => new OipClient({ host: '127.0.0.1', port, token: 't', requestTimeoutMs: 20_000, ...more });
const respond = (body: string | Buffer, headers = '', status = '200 OK'): Buffer =>
  Buffer.concat([Buffer.from(`HTTP/1.1 ${status}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n`), Buffer.from(body)]);
const SERVER = JSON.stringify({ name: 'other', version: '1', extensions: ['binary_tensor_data'] });
const x: Tensor = { name: 'x', datatype: 'FP32', shape: [2], data: Float32Array.of(1, 2) };

/** A peer that is right about itself and answers inferences with `bytes`. */
const inferring = (bytes: Buffer | ((socket: Socket) => void), extensions = ['binary_tensor_data']): ReturnType<typeof peer> =>
  peer((socket, head) => {
    if (head.startsWith('GET /v2 ')) socket.write(respond(JSON.stringify({ name: 'other', version: '1', extensions })));
    else if (typeof bytes === 'function') bytes(socket);
    else socket.write(bytes);
  });
const output = (changes = {}): string => JSON.stringify({ model_name: 'm', outputs: [{ name: 'y', datatype: 'FP32', shape: [2], parameters: { binary_data_size: 8 }, ...changes }] });
const binary = (head: string, tail: Buffer, length = Buffer.byteLength(head)): Buffer => respond(Buffer.concat([Buffer.from(head), tail]), `Inference-Header-Content-Length: ${length}\r\n`);

describe('a misbehaving board', () => {
  test.each([
    ['garbage', Buffer.from('\x00\x01 SSH-2.0-OpenSSH_9.2\r\n\r\n'), 'protocol'],
    ['another protocol\'s greeting', Buffer.from('220 ftp ready\r\n'), 'protocol'],
    ['HTML', respond('<html></html>'), 'protocol'],
    ['JSON of another kind', respond('[1,2,3]'), 'protocol'],
    ['invalid UTF-8', respond(Buffer.from([0xff, 0xfe, 0x22])), 'protocol'],
    ['a redirect', respond('', 'Location: http://elsewhere/\r\n', '302 Found'), 'protocol'],
    ['404 on /v2', respond('', '', '404 Not Found'), 'protocol'],
    ['an endless header', Buffer.from(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(100_000)}\r\n\r\n`), 'protocol'],
    ['500 without a word', respond('', '', '500 Oops'), 'server-error'],
    ['500 with garbage', respond(Buffer.alloc(100, 0xff), '', '500 Oops'), 'server-error'],
    ['401', respond('{"error":"who are you?"}', '', '401 Unauthorized'), 'unauthorised'],
    ['503', respond('{"error":"later"}', 'Retry-After: 7\r\n', '503 Busy'), 'busy'],
    ['an announced length beyond the budget', Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{'), 'protocol'],
  ])('%s', async (_, bytes, code) => {
    const { port } = await peer((socket) => socket.write(bytes));
    const error = await clientOf(port).serverMetadata().catch((e: unknown) => e);
    expect(error).toMatchObject({ name: 'BoardError', code, message: expect.stringContaining(`127.0.0.1:${port}`) as string });
    if (code === 'busy') expect(error).toMatchObject({ retryAfterMs: 7000 });
  });

  test('silence is a timeout', async () => {
    const { port } = await peer(() => {});
    await expect(clientOf(port, { requestTimeoutMs: 50 }).serverMetadata()).rejects.toMatchObject({ code: 'timeout' });
  });

  test('bytes that trickle without end are a timeout', async () => {
    const { port } = await peer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n');
      const timer = setInterval(() => socket.write(' '), 5);
      socket.on('close', () => clearInterval(timer));
    });
    await expect(clientOf(port, { requestTimeoutMs: 100 }).serverMetadata()).rejects.toMatchObject({ code: 'timeout' });
  });

  test('a body without end stops at the budget', async () => {
    const { port } = await peer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const pour = (): void => {
        while (!socket.destroyed && socket.write(Buffer.alloc(65536)));
      };
      socket.on('drain', pour);
      pour();
    });
    await expect(clientOf(port, { maxResponseBytes: 1 << 20 }).serverMetadata()).rejects.toMatchObject({ code: 'protocol', message: expect.stringContaining('1048576') as string });
  });

  test('a connection that breaks in the middle', async () => {
    for (const part of ['', 'HTTP/1.1 200', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"na']) {
      const { port } = await peer((socket) => socket.end(part));
      await expect(clientOf(port).serverMetadata(), JSON.stringify(part)).rejects.toMatchObject({ code: 'board-unreachable' });
    }
  });

  test('nobody there', async () => {
    const { port } = await peer(() => {});
    const { server } = open.pop()!;
    await new Promise((done) => server.close(done));
    await expect(clientOf(port).serverMetadata()).rejects.toMatchObject({ code: 'board-unreachable', message: expect.stringContaining('refuses connections') as string });
  });

  test('a kept connection that was closed meanwhile is replaced without a word', async () => {
    const { port, connections } = await peer((socket, _, count) => {
      if (count === 1) socket.destroy(); // the second request arrives on the kept connection and dies with it
      else socket.write(respond(SERVER));
    });
    const client = clientOf(port);
    await client.serverMetadata();
    await expect(client.serverMetadata()).resolves.toMatchObject({ name: 'other' });
    expect(connections()).toBe(2);
  });

  test('when every kept connection is dead, a new one is made', async () => {
    const seen = new Set<Socket>();
    const { port, connections } = await peer((socket) => {
      if (seen.has(socket)) socket.destroy();
      else socket.write(respond(SERVER));
      seen.add(socket);
    });
    const client = clientOf(port);
    await Promise.all([0, 1, 2].map(() => client.serverMetadata()));
    expect(connections()).toBe(3);
    await expect(client.serverMetadata()).resolves.toMatchObject({ name: 'other' });
    expect(connections()).toBe(4);
  });

  test.each([
    ['a size that its shape cannot have', binary(output({ shape: [3] }), Buffer.alloc(8))],
    ['a shape whose product overflows', binary(output({ shape: [2 ** 40, 2 ** 40] }), Buffer.alloc(8))],
    ['fewer bytes than announced', binary(output(), Buffer.alloc(7))],
    ['more bytes than announced', binary(output(), Buffer.alloc(9))],
    ['a negative extent', binary(output({ shape: [-2] }), Buffer.alloc(8))],
    ['an unknown datatype', binary(output({ datatype: 'FP8' }), Buffer.alloc(8))],
    ['a JSON part longer than the body', binary(output(), Buffer.alloc(8), 10_000)],
    ['a JSON part of no length', respond(output(), 'Inference-Header-Content-Length: many\r\n')],
    ['an output twice', binary(JSON.stringify({ model_name: 'm', outputs: [0, 1].map(() => ({ name: 'y', datatype: 'FP32', shape: [1], parameters: { binary_data_size: 4 } })) }), Buffer.alloc(8))],
    ['no data at all', respond(output({ parameters: {} }))],
    ['text for numbers', respond(output({ parameters: {}, data: ['1', '2'] }))],
    ['too few numbers', respond(output({ parameters: {}, data: [1] }))],
    ['another output', binary(output({ name: 'z' }), Buffer.alloc(8))],
    ['numbers nested deeper than its shape', respond(output({ parameters: {}, data: [[1, 2]] }))],
    ['numbers nested without end', respond(`{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[2],"data":${'['.repeat(100_000)}1${']'.repeat(100_000)}}]}`)],
    ['a number that its datatype cannot hold', respond(output({ datatype: 'INT8', parameters: {}, data: [1, 300] }))],
    ['a fraction for a whole number', respond(output({ datatype: 'INT64', parameters: {}, data: [1, 0.5] }))],
    ['no outputs', respond('{"model_name":"m"}')],
    ['nested parameters', binary(output({ parameters: { binary_data_size: { valueOf: 8 } } }), Buffer.alloc(8))],
  ])('an infer answer with %s', async (_, bytes) => {
    const { port } = await inferring(bytes);
    await expect(clientOf(port).infer('m', [x], { outputs: ['y'] })).rejects.toMatchObject({ name: 'BoardError', code: 'protocol' });
  });

  test('any bytes for an answer give a BoardError or a valid answer', async () => {
    let bytes = Buffer.alloc(0);
    const { port } = await inferring((socket) => socket.end(bytes));
    const whole = binary(output(), Buffer.alloc(8));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.nat(whole.length), async (changes, length) => {
        bytes = Buffer.from(whole.subarray(0, length));
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        const client = clientOf(port);
        const result = await client.infer('m', [x], { timeoutMs: 10_000 }).catch((error: unknown) => error);
        client.close();
        expect(result instanceof Error ? result.name : 'outputs' in (result as object)).toBe(result instanceof Error ? 'BoardError' : true);
      }),
      { numRuns: 150 },
    );
  });
});

describe('servers of others', () => {
  const requests: string[] = [];
  const json = (shape: number[], data: unknown): Buffer => respond(JSON.stringify({ model_name: 'm', model_version: '3', id: '1', outputs: [{ name: 'y', datatype: 'INT64', shape, data }] }), 'Content-Type: application/json\r\n');

  test('without the binary extension tensors go and come as JSON, flat or nested', async () => {
    for (const data of [[1, -2], [[1], [-2]]]) {
      const { port } = await peer((socket, head) => {
        requests.push(head);
        socket.write(head.startsWith('GET') ? respond('{"name":"kserve","version":"2"}') : json([2, 1], data));
      });
      const client = clientOf(port);
      const { outputs, modelVersion } = await client.infer('m', [x]);
      expect(outputs.get('y')).toEqual({ name: 'y', datatype: 'INT64', shape: [2, 1], data: BigInt64Array.of(1n, -2n) });
      expect(modelVersion).toBe('3');
      expect(requests.at(-1)).not.toMatch(/inference-header/i);
      expect(await client.repositoryIndex()).toBeNull();
      expect(await client.statistics('m')).toBeNull();
      await expect(client.load('m')).rejects.toMatchObject({ code: 'bad-request' });
    }
  });

  test('binary outputs of every width arrive as they were sent, wherever they lie', async () => {
    const tensors = [
      ['a', 'INT8', Int8Array.of(-128, 127, 5)], ['b', 'FP32', Float32Array.of(1.5, -2.25)], ['c', 'BOOL', Uint8Array.of(1)],
      ['d', 'FP64', Float64Array.of(Math.PI)], ['e', 'UINT16', Uint16Array.of(65535)], ['f', 'INT64', BigInt64Array.of(-5n, 2n ** 40n)],
    ] as const;
    const head = JSON.stringify({
      model_name: 'm', parameters: { timing_source: 'host' },
      outputs: tensors.map(([name, datatype, data]) => ({ name, datatype, shape: [1, data.length], parameters: { binary_data_size: data.byteLength } })),
    });
    const { port } = await inferring(binary(head, Buffer.concat(tensors.map(([, , data]) => Buffer.from(data.buffer)))));
    const { outputs, parameters } = await clientOf(port).infer('m', [x]);
    expect([...outputs.values()]).toEqual(tensors.map(([name, datatype, data]) => ({ name, datatype, shape: [1, data.length], data })));
    expect(parameters).toEqual({ timing_source: 'host' });
  });

  test('Triton\'s 400 for a model it does not have', async () => {
    const { port } = await inferring(respond('{"error":"Request for unknown model: \'m\' is not found"}', '', '400 Bad Request'));
    await expect(clientOf(port).infer('m', [x])).rejects.toMatchObject({ code: 'model-absent' });
  });

  test('model names are escaped', async () => {
    const heads: string[] = [];
    const { port } = await peer((socket, head) => {
      heads.push(head);
      socket.write(respond('{"error":"no"}', '', '404 Not Found'));
    });
    await expect(clientOf(port).modelMetadata('a/../b c')).rejects.toMatchObject({ code: 'model-absent' });
    expect(heads[0]).toMatch(/^GET \/v2\/models\/a%2F\.\.%2Fb%20c HTTP/);
  });
});
