/** Requests that no client should send: fuzzed heads, sizes and datatypes, by a seeded generator. */
import { inferRequest } from '../support/peer.ts';

const SHAPE = [1, 1, 8, 8];

/** `whole`: the server has all that it was promised, so that it must answer at once; otherwise it waits for the rest, as long as it gives a client. */
export type Malformed = { readonly bytes: Buffer; readonly whole: boolean };

export function malformed(next: () => number, token: string): Malformed {
  const int = (limit: number): number => Math.floor(next() * limit);
  const pick = <T>(list: readonly T[]): T => list[int(list.length)]!;
  const good = Buffer.concat(inferRequest({ model: 'tiny', token, shape: SHAPE, data: Buffer.alloc(64, int(256)), outputs: ['logits'] }));
  const head = (lines: string, method = 'POST', path = '/v2/models/tiny/infer'): string => `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n${lines}\r\n`;
  const json = (value: unknown): Buffer => {
    const text = JSON.stringify(value);
    return Buffer.from(head(`Content-Length: ${text.length}\r\n`) + text);
  };
  const tensor = (changes: object): Buffer => json({ inputs: [{ name: 'image', datatype: 'INT8', shape: SHAPE, data: Array.from({ length: 64 }, () => 0), ...changes }] });
  switch (int(10)) {
    case 0: { // bytes changed anywhere
      const bytes = Buffer.from(good);
      for (let n = 1 + int(6); n > 0; n--) bytes[int(bytes.length)] = int(256);
      return { bytes, whole: false };
    }
    case 1:
      return { bytes: Buffer.from(Array.from({ length: 1 + int(3000) }, () => int(256))), whole: false };
    case 2: // promised: 4 GB and more
      return { bytes: Buffer.from(head(`Content-Length: ${pick(['4294967296', '4294967295', '4000000000', '99999999999999999999', '18446744073709551616'])}\r\n`)), whole: true };
    case 3:
      return { bytes: Buffer.from(head(pick(['Content-Length: -1\r\n', 'Content-Length: 5\r\nContent-Length: 6\r\n', 'Content-Length: 0x10\r\n', 'Transfer-Encoding: chunked\r\n', 'Content-Length: 9\r\nTransfer-Encoding: chunked\r\n', 'Content-Encoding: gzip\r\nContent-Length: 3\r\n', 'Expect: wonders\r\nContent-Length: 3\r\n', 'no colon\r\n', 'A: b\0\r\n', ': x\r\n']))), whole: true };
    case 4:
      return { bytes: Buffer.from(head(`X: ${'a'.repeat(17 << 10)}\r\n`)), whole: true };
    case 5:
      return { bytes: tensor({ datatype: pick(['UINT8', 'FP64', 'BYTES', '', null, 7, [], 'INT8\0']) }), whole: true };
    case 6:
      return { bytes: tensor({ shape: pick([[], [64], [0, 1, 8, 8], [65, 1, 8, 8], [-1, 1, 8, 8], [1e18, 1, 8, 8], [1, 1, 8, 8.5], 'x', [[1]], [1, 1, 8, true]]) }), whole: true };
    case 7:
      return { bytes: tensor({ data: pick<unknown>([[], 'x', [1, 2], Array.from({ length: 64 }, () => 1000), Array.from({ length: 64 }, () => null), [[[[0]]]]]) }), whole: true };
    case 8: { // sizes that do not fit what follows
      const text = JSON.stringify({ inputs: [{ name: 'image', datatype: 'INT8', shape: SHAPE, parameters: { binary_data_size: pick([0, 63, 65, 4294967296, -1, '64', 1e300]) } }] });
      return { bytes: Buffer.from(`${head(`Content-Length: ${text.length + 64}\r\nInference-Header-Content-Length: ${pick([text.length, 0, 1e9, text.length + 64])}\r\n`)}${text}${'\0'.repeat(64)}`), whole: true };
    }
    default: // cut off
      return { bytes: good.subarray(0, 1 + int(good.length - 1)), whole: false };
  }
}
