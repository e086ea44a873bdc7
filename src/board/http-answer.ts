/** An HTTP/1.1 answer (RFC 9112) as its bytes come: bounded, strict, its body in one buffer that a socket can read straight into. No effects. */

/** What is no answer, or too large a one; `message` continues "sent …" or "answered with …" as `kind` says. */
export class BadAnswer extends Error {
  readonly kind: 'not-http' | 'too-large';

  constructor(kind: BadAnswer['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

const HEAD_LIMIT = 16 << 10;
const LINE_LIMIT = 1 << 10;
const STATUS = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [^\r\n\0]*)?$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*$/;
const CRLF = Buffer.from('\r\n');

/** `bytes` is as long as the body where that is known, else it grows. */
type Body = { bytes: Uint8Array; filled: number } & (
  | { kind: 'length' | 'until-close' }
  /** `left` of the chunk that comes; null between chunks. `line`: of a size or trailer, as far as it came. */
  | { kind: 'chunked'; left: number | null; line: Buffer; last: boolean }
);

export class AnswerReader {
  status = 0;
  /** By lower-case name; a field that comes twice is joined by commas. */
  headers: Record<string, string> = {};
  /** The connection may be used again. */
  keep = false;
  done = false;
  /** A byte came. */
  begun = false;
  readonly #limit: number;
  /** Name of a header whose value is how many bytes come before what must lie aligned to 8 bytes. */
  readonly #aligned: string;
  #head: Buffer = Buffer.alloc(0);
  /** Bytes of the heads so far: interim answers may come without end. */
  #heads = 0;
  #body: Body | undefined;

  constructor(limit: number, aligned: string) {
    this.#limit = limit;
    this.#aligned = aligned;
  }

  /** Where the next bytes belong, when that is known: they may be read there before they are taken. */
  get room(): Uint8Array | undefined {
    return !this.done && this.#body?.kind === 'length' ? this.#body.bytes.subarray(this.#body.filled) : undefined;
  }

  /** Of a whole answer. */
  get body(): Uint8Array {
    return this.#body?.bytes.subarray(0, this.#body.filled) ?? new Uint8Array(0);
  }

  /** Throws BadAnswer. */
  take(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.begun = true;
    if (this.done) {
      this.keep = false; // more than was asked for
      return;
    }
    if (!this.#body) this.#takeHead(bytes);
    else if (this.#body.kind === 'length') this.#fill(this.#body, bytes);
    else if (this.#body.kind === 'chunked') this.#unchunk(this.#body, bytes);
    else this.#collect(this.#body, bytes);
  }

  /** The connection ended; says whether the answer is whole. */
  end(): boolean {
    if (this.#body?.kind === 'until-close') this.done = true;
    return this.done;
  }

  #takeHead(bytes: Uint8Array): void {
    this.#head = this.#head.length === 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) : Buffer.concat([this.#head, bytes]);
    const start = this.#head.toString('latin1', 0, 5);
    if (start !== 'HTTP/'.slice(0, start.length)) throw new BadAnswer('not-http', 'it begins with other bytes');
    const end = this.#head.indexOf('\r\n\r\n');
    if (this.#heads + (end < 0 ? this.#head.length : end) > HEAD_LIMIT) throw new BadAnswer('not-http', `its head has more than ${HEAD_LIMIT} bytes`);
    if (end < 0) {
      this.#head = Buffer.from(this.#head); // who gave the bytes may use their memory again
      return;
    }
    const rest = this.#head.subarray(end + 4);
    this.#heads += end + 4;
    this.#parse(this.#head.toString('latin1', 0, end).split('\r\n'));
    this.#head = Buffer.alloc(0);
    this.take(rest);
  }

  #parse([first, ...lines]: string[]): void {
    const [, minor, status] = STATUS.exec(first!) ?? [];
    if (status === undefined) throw new BadAnswer('not-http', 'its status line is malformed');
    const headers: Record<string, string> = Object.create(null) as Record<string, string>;
    for (const line of lines) {
      const [, name, value] = FIELD.exec(line) ?? [];
      if (name === undefined) throw new BadAnswer('not-http', 'a header is malformed');
      const key = name.toLowerCase();
      headers[key] = headers[key] === undefined ? value! : `${headers[key]}, ${value}`;
    }
    this.status = Number(status);
    if (this.status < 200) return; // an interim answer: the real one follows
    this.headers = headers;
    const connection = (headers['connection'] ?? '').toLowerCase().split(/ *, */);
    this.keep = minor === '1' ? !connection.includes('close') : connection.includes('keep-alive');
    const coding = headers['transfer-encoding']?.toLowerCase();
    const length = headers['content-length'];
    if (this.status === 204 || this.status === 304) this.done = true;
    else if (coding !== undefined) {
      if (coding !== 'chunked' || length !== undefined) throw new BadAnswer('not-http', 'its transfer coding is none that we know, or beside a length');
      this.#body = { kind: 'chunked', bytes: new Uint8Array(0), filled: 0, left: null, line: Buffer.alloc(0), last: false };
    } else if (length !== undefined) this.#body = this.#sized(length);
    else {
      this.keep = false;
      this.#body = { kind: 'until-close', bytes: new Uint8Array(0), filled: 0 };
    }
  }

  #sized(length: string): Body {
    if (!/^\d{1,15}$/.test(length)) throw new BadAnswer('not-http', 'its length is no number');
    const size = Number(length);
    this.#within(size);
    const before = Number(this.headers[this.#aligned] ?? 0);
    const shift = before >= 0 ? (8 - (before % 8)) % 8 : 0;
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(size + 8).buffer, Number.isInteger(shift) ? shift : 0, size);
    this.done = size === 0;
    return { kind: 'length', bytes, filled: 0 };
  }

  #fill(body: Body, bytes: Uint8Array): void {
    const fits = Math.min(bytes.length, body.bytes.length - body.filled);
    const inPlace = bytes.buffer === body.bytes.buffer && bytes.byteOffset === body.bytes.byteOffset + body.filled;
    if (!inPlace) body.bytes.set(bytes.subarray(0, fits), body.filled);
    body.filled += fits;
    if (body.filled < body.bytes.length) return;
    this.done = true;
    if (fits < bytes.length) this.keep = false;
  }

  #unchunk(body: Body & { kind: 'chunked' }, bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0;) {
      if (this.done) {
        this.keep = false;
        return;
      }
      if (body.left !== null && body.left > 0) {
        const part = rest.subarray(0, body.left);
        this.#collect(body, part);
        body.left -= part.length;
        rest = rest.subarray(part.length);
        continue;
      }
      const joined = body.line.length === 0 ? Buffer.from(rest.buffer, rest.byteOffset, rest.length) : Buffer.concat([body.line, rest]);
      const end = joined.indexOf(CRLF);
      if (end > LINE_LIMIT || (end < 0 && joined.length > LINE_LIMIT)) throw new BadAnswer('not-http', 'a chunk has no size');
      body.line = Buffer.from(end < 0 ? joined : []);
      if (end < 0) return;
      rest = joined.subarray(end + 2);
      const line = joined.toString('latin1', 0, end);
      if (body.left === 0) {
        if (line !== '') throw new BadAnswer('not-http', 'a chunk is longer than it says');
        body.left = null;
      } else if (body.last) this.done = line === ''; // trailers are of no use to us
      else {
        const size = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?$/.exec(line)?.[1];
        if (size === undefined) throw new BadAnswer('not-http', 'a chunk has no size');
        const left = parseInt(size, 16);
        this.#within(body.filled + left);
        body.last = left === 0;
        body.left = left === 0 ? null : left;
      }
    }
  }

  /** Into one buffer that doubles: a board may send its bytes one by one. */
  #collect(body: Body, bytes: Uint8Array): void {
    const filled = body.filled + bytes.length;
    this.#within(filled);
    if (filled > body.bytes.length) {
      const larger = new Uint8Array(Math.min(this.#limit, Math.max(filled, 2 * body.bytes.length, 1024)));
      larger.set(body.bytes.subarray(0, body.filled));
      body.bytes = larger;
    }
    body.bytes.set(bytes, body.filled);
    body.filled = filled;
  }

  #within(size: number): void {
    if (size > this.#limit) throw new BadAnswer('too-large', `more than the ${this.#limit} bytes that an answer may have`);
  }
}
