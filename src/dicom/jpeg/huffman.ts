/** JPEG entropy coding (ITU-T T.81 annexes C and F): Huffman tables, and bits out of a scan. Strict: a scan that ends early is an error, not zeros. */
import { DicomError } from '../errors.ts';

export const damaged = (what: string): DicomError => new DicomError('corrupt', `the compressed frame is damaged: ${what}`);

const FAST_BITS = 9;

/** Decoding table of one Huffman code: a lookup for short codes, the canonical bounds of T.81 F.2.2.3 for long ones. */
export class HuffmanTable {
  /** length << 8 | value for every FAST_BITS prefix; 0 where the code is longer. */
  readonly fast = new Uint16Array(1 << FAST_BITS);
  readonly maxCode = new Int32Array(18).fill(-1);
  readonly offset = new Int32Array(17);
  readonly values: Uint8Array;

  /** @param counts codes of length 1…16; `values` their symbols in order of code. */
  constructor(counts: Uint8Array, values: Uint8Array) {
    this.values = values;
    let code = 0;
    let at = 0;
    for (let length = 1; length <= 16; length++) {
      const count = counts[length - 1]!;
      if (code + count > 1 << length) throw damaged('a Huffman table is over-full');
      this.offset[length] = at - code;
      for (let i = 0; i < count; i++, code++, at++) {
        if (length > FAST_BITS) continue;
        const first = code << (FAST_BITS - length);
        this.fast.fill((length << 8) | values[at]!, first, first + (1 << (FAST_BITS - length)));
      }
      this.maxCode[length] = count > 0 ? code - 1 : -1;
      code <<= 1;
    }
  }
}

/** Reads bits of one scan: byte stuffing removed, stopping at markers. */
export class BitReader {
  private bits = 0;
  private count = 0;
  /** Bits handed out beyond the scan's end; the longest code may look at some, none may be used up. */
  private beyond = 0;

  constructor(
    private readonly data: Uint8Array,
    public at: number,
  ) {}

  private fill(): void {
    while (this.count <= 16) {
      let byte = this.data[this.at];
      if (byte === undefined || (byte === 0xff && this.data[this.at + 1] !== 0)) {
        byte = 0;
        this.beyond += 8;
      } else {
        this.at += byte === 0xff ? 2 : 1;
      }
      this.bits = ((this.bits << 8) | byte) & 0x1ffffff;
      this.count += 8;
    }
  }

  /** The next Huffman symbol. */
  symbol(table: HuffmanTable): number {
    if (this.count <= 16) this.fill();
    const entry = table.fast[(this.bits >>> (this.count - FAST_BITS)) & ((1 << FAST_BITS) - 1)]!;
    if (entry !== 0) {
      this.drop(entry >> 8);
      return entry & 0xff;
    }
    for (let length = FAST_BITS + 1; length <= 16; length++) {
      const code = (this.bits >>> (this.count - length)) & ((1 << length) - 1);
      if (code <= table.maxCode[length]!) {
        this.drop(length);
        return table.values[code + table.offset[length]!]!;
      }
    }
    // Short codes that the lookup has no entry for end up here as well.
    this.drop(0);
    throw damaged('it has a code that no Huffman table knows');
  }

  private drop(length: number): void {
    this.count -= length;
    if (this.beyond > 0 && this.count < this.beyond) throw new DicomError('truncated', 'pixel data truncated: the compressed frame ends within its image; copy the file again from its source');
  }

  /** The next `length` bits (0…16), unsigned. */
  read(length: number): number {
    if (length === 0) return 0;
    if (this.count < length) this.fill();
    const value = (this.bits >>> (this.count - length)) & ((1 << length) - 1);
    this.drop(length);
    return value;
  }

  /** A signed value of `length` magnitude bits (T.81 F.2.2.1, EXTEND). */
  receive(length: number): number {
    const value = this.read(length);
    return length > 0 && value < 1 << (length - 1) ? value - (1 << length) + 1 : value;
  }

  /** Forgets the rest of the byte and steps over an expected restart marker. */
  restart(): void {
    this.bits = 0;
    this.count = 0;
    this.beyond = 0;
    // Fill bytes may stand before the marker.
    while (this.data[this.at] === 0xff && this.data[this.at + 1] === 0xff) this.at += 1;
    const marker = this.data[this.at + 1] ?? 0;
    if (this.data[this.at] !== 0xff || marker < 0xd0 || marker > 0xd7) throw damaged('a restart marker is missing');
    this.at += 2;
  }

  /** Where the marker after the scan is. */
  end(): number {
    while (this.at + 1 < this.data.length && !(this.data[this.at] === 0xff && this.data[this.at + 1]! > 0 && this.data[this.at + 1] !== 0xff)) this.at += 1;
    return this.at;
  }
}
