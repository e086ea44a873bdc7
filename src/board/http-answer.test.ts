import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnswerReader, BadAnswer } from './http-answer.ts';

const LIMIT = 1000;
const reader = (limit = LIMIT): AnswerReader => new AnswerReader(limit, 'ahead');
/** Given piece by piece; `inPlace`: where the reader wants the bytes, as a socket does that reads into its buffer. */
function read(bytes: Uint8Array, cuts: readonly number[], inPlace: boolean, one = reader()): AnswerReader {
  let at = 0;
  for (const cut of [...new Set([...cuts, bytes.length])].sort((a, b) => a - b)) {
    while (at < cut) {
      const room = inPlace ? one.room : undefined;
      const length = Math.min(cut - at, room?.length ?? Infinity);
      const piece = Uint8Array.from(bytes.subarray(at, at + length));
      room?.set(piece);
      one.take(room ? room.subarray(0, length) : piece);
      if (!room) piece.fill(0x2a); // whose memory is used again by whoever gave it
      at += length;
    }
  }
  return one;
}
const text = (one: AnswerReader): string => Buffer.from(one.body).toString('latin1');
const answer = (head: string, body = ''): Buffer => Buffer.from(`HTTP/1.1 200 OK\r\n${head}\r\n${body}`, 'latin1');
const chunked = (...chunks: string[]): string => `${chunks.map((chunk) => `${chunk.length.toString(16)};x="y"\r\n${chunk}\r\n`).join('')}0\r\nTrailer: a\r\n\r\n`;

describe('AnswerReader', () => {
  test('however an answer is cut, and wherever it is read to, it is the same', () => {
    const cases: [Buffer, string][] = [
      [answer('Content-Length: 11\r\nAhead: 3\r\n', 'hello world'), 'hello world'],
      [answer('Transfer-Encoding: chunked\r\n', chunked('hello', ' ', 'world')), 'hello world'],
      [answer('content-length:0 \r\n'), ''],
      [Buffer.concat([Buffer.from('HTTP/1.1 100 Continue\r\nX: y\r\n\r\n'), answer('Content-Length: 2\r\n', 'ok')]), 'ok'],
      [Buffer.from('HTTP/1.1 204 No Content\r\n\r\n'), ''],
    ];
    fc.assert(fc.property(fc.constantFrom(...cases), fc.array(fc.nat(120), { maxLength: 8 }), fc.boolean(), ([bytes, body], cuts, inPlace) => {
      const one = read(bytes, cuts.filter((cut) => cut < bytes.length), inPlace);
      expect([one.done, one.keep, text(one)]).toEqual([true, true, body]);
    }), { numRuns: 500 });
  });

  test('what lies behind the JSON is aligned to 8 bytes', () => {
    for (let ahead = 0; ahead < 20; ahead++) {
      const { body } = read(answer(`Content-Length: 40\r\nAhead: ${ahead}\r\n`, 'x'.repeat(40)), [], false);
      expect((body.byteOffset + ahead) % 8).toBe(0);
    }
    for (const nonsense of ['-3', 'x', '1e9', '2.5']) expect(text(read(answer(`Content-Length: 2\r\nAhead: ${nonsense}\r\n`, 'ok'), [], false))).toBe('ok');
  });

  test('a body until the end of the connection is whole then, and the connection is not kept', () => {
    const one = read(answer('', 'hello'), [20, 22], false);
    expect([one.done, one.keep, one.end(), text(one)]).toEqual([false, false, true, 'hello']);
    expect(read(answer('Content-Length: 9\r\n', 'hello'), [], false).end()).toBe(false);
    expect(read(answer('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n'), [], false).end()).toBe(false);
  });

  test('when the connection may be used again', () => {
    const keep = (bytes: Buffer): boolean => read(bytes, [], false).keep;
    expect(keep(answer('Content-Length: 0\r\nConnection: close\r\n'))).toBe(false);
    expect(keep(answer('Content-Length: 0\r\nConnection: x, Close\r\n'))).toBe(false);
    expect(keep(Buffer.from('HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'))).toBe(false);
    expect(keep(Buffer.from('HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n'))).toBe(true);
    // What follows the answer was not asked for.
    expect(keep(answer('Content-Length: 2\r\n', 'okHTTP/1.1'))).toBe(false);
    expect(keep(answer('Transfer-Encoding: chunked\r\n', `${chunked('ok')}more`))).toBe(false);
  });

  test.each([
    ['a length and a coding', answer('Content-Length: 2\r\nTransfer-Encoding: chunked\r\n', 'ok')],
    ['another coding', answer('Transfer-Encoding: gzip, chunked\r\n')],
    ['two lengths', answer('Content-Length: 2\r\nContent-Length: 3\r\n')],
    ['a negative length', answer('Content-Length: -1\r\n')],
    ['a folded header', answer('A: b\r\n c\r\n')],
    ['a header without a name', answer(': b\r\n')],
    ['a space before the colon', answer('A : b\r\n')],
    ['a bare line feed', Buffer.from('HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n')],
    ['another version', Buffer.from('HTTP/2 200 OK\r\n\r\n')],
    ['a status of two digits', Buffer.from('HTTP/1.1 20 OK\r\n\r\n')],
    ['a head without end', Buffer.from(`HTTP/1.1 200 OK\r\nA: ${'b'.repeat(20_000)}`)],
    ['interim answers without end', Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'.repeat(20_000))],
    ['a chunk without a size', answer('Transfer-Encoding: chunked\r\n', 'hello\r\n')],
    ['a chunk longer than it says', answer('Transfer-Encoding: chunked\r\n', '2\r\nhello\r\n')],
    ['a chunk size without end', answer('Transfer-Encoding: chunked\r\n', `2;${'x'.repeat(2000)}`)],
  ])('%s is no answer', (_, bytes) => {
    expect(() => read(bytes, [], false)).toThrow(expect.objectContaining({ kind: 'not-http' }) as Error);
  });

  test('the budget holds before anything is allocated, whatever the coding', () => {
    for (const bytes of [answer('Content-Length: 1001\r\n'), answer('Transfer-Encoding: chunked\r\n', 'fffffffffff\r\n'), answer('', 'x'.repeat(1001))]) {
      expect(() => read(bytes, [], false)).toThrow(expect.objectContaining({ kind: 'too-large' }) as Error);
    }
    expect(text(read(answer('Content-Length: 1000\r\n', 'x'.repeat(1000)), [], true))).toHaveLength(1000);
  });

  test('any bytes are an answer, a part of one, or refused as none', () => {
    const seed = answer('Transfer-Encoding: chunked\r\n', chunked('hello', 'world'));
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 5 }), fc.array(fc.nat(80), { maxLength: 4 }), (changes, cuts) => {
      const bytes = Buffer.from(seed);
      for (const [at, value] of changes) bytes[at] = value;
      try {
        read(bytes, cuts, true);
      } catch (error) {
        expect(error).toBeInstanceOf(BadAnswer);
      }
    }), { numRuns: 1000 });
  });
});
