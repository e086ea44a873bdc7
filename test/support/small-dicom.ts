/** Small uncompressed DICOM files for tests of what stands around the images: 16-bit grey, explicit little endian, and DICOMDIRs. */

export interface SmallImage {
  sopInstanceUid?: string;
  studyUid?: string;
  seriesUid?: string;
  instanceNumber?: number;
  seriesNumber?: number;
  modality?: string;
  bodyPart?: string;
  patientName?: string;
  /** Centre and width; none: the file has no window. */
  window?: [number, number] | null;
  rows?: number;
  columns?: number;
  frames?: number;
  /** Stored value 0…4095 of pixel i (row-major, frames one after another). */
  pixel?: (i: number) => number;
  /** RGB, 8 bits, instead of grey. */
  colour?: boolean;
}

const LONG = new Set(['OB', 'OW', 'SQ']);

function element(tag: number, vr: string, value: string | number | Buffer): Buffer {
  let body = Buffer.isBuffer(value) ? value : typeof value === 'number' ? Buffer.from(Uint16Array.of(value).buffer) : Buffer.from(value, 'latin1');
  if (body.length % 2 === 1) body = Buffer.concat([body, Buffer.from(vr === 'UI' ? '\0' : ' ')]);
  const head = Buffer.alloc(LONG.has(vr) ? 12 : 8);
  head.writeUInt16LE(tag >>> 16, 0);
  head.writeUInt16LE(tag & 0xffff, 2);
  head.write(vr, 4, 'latin1');
  if (LONG.has(vr)) head.writeUInt32LE(body.length, 8);
  else head.writeUInt16LE(body.length, 6);
  return Buffer.concat([head, body]);
}

function file(sopClass: string, sopInstance: string, dataSet: Buffer[]): Buffer {
  const meta = Buffer.concat([
    element(0x00020002, 'UI', sopClass), element(0x00020003, 'UI', sopInstance), element(0x00020010, 'UI', '1.2.840.10008.1.2.1'), element(0x00020012, 'UI', '1.2.826.0.1.3680043.10.1'),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(meta.length, 0);
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), element(0x00020000, 'UL', length), meta, ...dataSet]);
}

export function smallDicom(image: SmallImage = {}): Buffer {
  const { rows = 24, columns = 20, frames = 1, colour = false, window = [2048, 4096] } = image;
  const uid = image.sopInstanceUid ?? '1.2.3.4.1';
  const sopClass = '1.2.840.10008.5.1.4.1.1.1.1';
  const count = rows * columns * frames;
  const pixel = image.pixel ?? ((i) => (i * 37) % 4096);
  const pixels = colour ? Buffer.from(Uint8Array.from({ length: count * 3 }, (_, i) => pixel(i) & 255)) : Buffer.from(Uint16Array.from({ length: count }, (_, i) => pixel(i)).buffer);
  return file(sopClass, uid, [
    element(0x00080016, 'UI', sopClass), element(0x00080018, 'UI', uid), element(0x00080060, 'CS', image.modality ?? 'DX'),
    element(0x00100010, 'PN', image.patientName ?? 'Secret^Person'), element(0x00100020, 'LO', 'ID-1'),
    element(0x00180015, 'CS', image.bodyPart ?? 'CHEST'),
    element(0x0020000d, 'UI', image.studyUid ?? '1.2.3.4'), element(0x0020000e, 'UI', image.seriesUid ?? '1.2.3.4.5'),
    element(0x00200011, 'IS', String(image.seriesNumber ?? 1)), element(0x00200013, 'IS', String(image.instanceNumber ?? 1)),
    element(0x00280002, 'US', colour ? 3 : 1), element(0x00280004, 'CS', colour ? 'RGB' : 'MONOCHROME2'), ...(colour ? [element(0x00280006, 'US', 0)] : []),
    ...(frames > 1 ? [element(0x00280008, 'IS', String(frames))] : []),
    element(0x00280010, 'US', rows), element(0x00280011, 'US', columns),
    element(0x00280100, 'US', colour ? 8 : 16), element(0x00280101, 'US', colour ? 8 : 12), element(0x00280102, 'US', colour ? 7 : 11), element(0x00280103, 'US', 0),
    ...(window && !colour ? [element(0x00281050, 'DS', String(window[0])), element(0x00281051, 'DS', String(window[1]))] : []),
    element(0x7fe00010, colour ? 'OB' : 'OW', pixels),
  ]);
}

/** A directory that lists files by their path components. */
export function smallDicomDir(files: readonly string[][]): Buffer {
  const sopClass = '1.2.840.10008.1.3.10';
  const items = files.map((parts) => {
    const record = Buffer.concat([element(0x00041430, 'CS', 'IMAGE'), element(0x00041500, 'CS', parts.join('\\'))]);
    const head = Buffer.alloc(8);
    head.writeUInt16LE(0xfffe, 0);
    head.writeUInt16LE(0xe000, 2);
    head.writeUInt32LE(record.length, 4);
    return Buffer.concat([head, record]);
  });
  return file(sopClass, '1.2.3.9', [element(0x00041220, 'SQ', Buffer.concat(items))]);
}
