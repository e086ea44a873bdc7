/** Elements to bytes (PS3.5 chapter 7), and the file meta information before them (PS3.10 7.1). Values are handed on as they are: no pixel is decoded, and large ones are not copied. */
import { SHORT, UNDEFINED, ITEM, ITEM_END, SEQUENCE_END } from './encoding.ts';
import type { Source } from './dataset.ts';
import { T } from './tags.ts';
import { UID } from './uids.ts';

export type Encoding = Pick<Source, 'explicit' | 'littleEndian'>;

/** Of what is written here; made once, by chance (PS3.5 B.2). */
const IMPLEMENTATION_CLASS_UID = '2.25.68163849908520075575876018288386368547';

/** Values of this size (bytes) and more stay where they are. */
const BY_REFERENCE = 4096;

/** Bytes that change places when the byte order does. */
const SWAPPED: Record<string, number> = { AT: 2, OW: 2, SS: 2, US: 2, xs: 2, FL: 4, OF: 4, OL: 4, SL: 4, UL: 4, FD: 8, OD: 8, OV: 8, SV: 8, UV: 8 };
const BINARY = new Set([...Object.keys(SWAPPED), 'OB', 'UN', 'UI']);

function swapped(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let at = 0; at + size <= bytes.length; at += size) for (let i = 0; i < size; i++) out[at + i] = bytes[at + size - 1 - i]!;
  return out;
}

export class Writer {
  private readonly chunks: Uint8Array[] = [];
  private buffer = new Uint8Array(BY_REFERENCE * 4);
  private view = new DataView(this.buffer.buffer);
  private at = 0;

  constructor(private readonly encoding: Encoding) {}

  /** What was written, in pieces; some are views of the values that were given. */
  finish(): Uint8Array[] {
    this.flush();
    return this.chunks;
  }

  /**
   * @param value in the byte order `littleEndian`, of any length: an odd one is padded.
   * A value too long for its VR's 16-bit length (an implicit file may have one) is written as UN (PS3.5 6.2.2).
   */
  element(id: number, vr: string, value: Uint8Array, littleEndian = this.encoding.littleEndian): void {
    const size = SWAPPED[vr];
    const bytes = littleEndian === this.encoding.littleEndian || size === undefined ? value : swapped(value, size);
    const odd = bytes.length % 2;
    this.head(id, SHORT.has(vr) && bytes.length + odd > 0xfffe ? 'UN' : vr, bytes.length + odd);
    this.bytes(bytes);
    if (odd) this.bytes(Uint8Array.of(BINARY.has(vr) ? 0 : 0x20));
  }

  /** Of undefined length, each item too; what follows is in it until `endItem` and `endSequence`. */
  beginSequence(id: number): void {
    this.head(id, 'SQ', UNDEFINED);
  }

  beginItem(): void {
    this.tagAndLength(ITEM, UNDEFINED);
  }

  endItem(): void {
    this.tagAndLength(ITEM_END, 0);
  }

  endSequence(): void {
    this.tagAndLength(SEQUENCE_END, 0);
  }

  /** Encapsulated pixel data: `items` as they lie in a file, offset table and fragments with their heads, without the delimiter. */
  encapsulated(id: number, items: Uint8Array): void {
    this.head(id, 'OB', UNDEFINED);
    this.bytes(items);
    this.endSequence();
  }

  private head(id: number, vr: string, length: number): void {
    this.room();
    const { littleEndian, explicit } = this.encoding;
    if (!explicit) return this.tagAndLength(id, length);
    this.tag(id);
    this.view.setUint8(this.at, vr.charCodeAt(0));
    this.view.setUint8(this.at + 1, vr.charCodeAt(1));
    if (SHORT.has(vr)) {
      this.view.setUint16(this.at + 2, length, littleEndian);
      this.at += 4;
    } else {
      this.view.setUint16(this.at + 2, 0);
      this.view.setUint32(this.at + 4, length, littleEndian);
      this.at += 8;
    }
  }

  private tagAndLength(id: number, length: number): void {
    this.room();
    this.tag(id);
    this.view.setUint32(this.at, length, this.encoding.littleEndian);
    this.at += 4;
  }

  private tag(id: number): void {
    this.view.setUint16(this.at, Math.floor(id / 0x10000), this.encoding.littleEndian);
    this.view.setUint16(this.at + 2, id % 0x10000, this.encoding.littleEndian);
    this.at += 4;
  }

  private bytes(value: Uint8Array): void {
    if (value.length >= BY_REFERENCE) {
      this.flush();
      this.chunks.push(value);
      return;
    }
    if (this.at + value.length > this.buffer.length) this.flush();
    this.buffer.set(value, this.at);
    this.at += value.length;
  }

  /** For a head, which has 12 bytes at most. */
  private room(): void {
    if (this.at + 12 > this.buffer.length) this.flush();
  }

  private flush(): void {
    if (this.at > 0) this.chunks.push(this.buffer.subarray(0, this.at));
    this.buffer = new Uint8Array(this.buffer.length);
    this.view = new DataView(this.buffer.buffer);
    this.at = 0;
  }
}

const ASCII = new TextEncoder();
/** Text of the default repertoire. */
export const textBytes = (text: string): Uint8Array => ASCII.encode(text);

/** What a transfer syntax asks of elements; `as` where it is none of PS3.5's (then they stay as they are). */
export function encodingOf(transferSyntax: string, as: Encoding): Encoding {
  if (!transferSyntax.startsWith('1.2.840.10008.')) return as;
  return { explicit: transferSyntax !== UID.ImplicitLittleEndian, littleEndian: transferSyntax !== UID.ExplicitBigEndian };
}

/** Preamble of zeros, prefix and file meta information that name nobody: no application entity, no private information. */
export function fileHead({ sopClassUid, sopInstanceUid, transferSyntax }: { sopClassUid: string; sopInstanceUid: string; transferSyntax: string }): Uint8Array[] {
  const meta = new Writer({ explicit: true, littleEndian: true });
  meta.element(0x00020001, 'OB', Uint8Array.of(0, 1));
  meta.element(T.MediaStorageSOPClassUID.id, 'UI', textBytes(sopClassUid));
  meta.element(0x00020003, 'UI', textBytes(sopInstanceUid));
  meta.element(T.TransferSyntaxUID.id, 'UI', textBytes(transferSyntax));
  meta.element(0x00020012, 'UI', textBytes(IMPLEMENTATION_CLASS_UID));
  meta.element(0x00020013, 'SH', textBytes('FABRICLENS'));
  const elements = meta.finish();
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, elements.reduce((sum, piece) => sum + piece.length, 0), true);
  const first = new Writer({ explicit: true, littleEndian: true });
  first.element(0x00020000, 'UL', length);
  const prefix = new Uint8Array(132);
  prefix.set(textBytes('DICM'), 128);
  return [prefix, ...first.finish(), ...elements];
}
