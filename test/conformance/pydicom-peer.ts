/** pydicom as the peer for what DCMTK 3.6 cannot decode: pinned in test/interop/pydicom.txt, from PyPI, and so of `npm run conformance` alone. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { environment, execute } from '../interop/venv.ts';
import { ROOT } from '../support/data.ts';
import type { PeerElement } from './dcmtk-peer.ts';

const TYPES = { uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array, uint32: Uint32Array, int32: Int32Array, float32: Float32Array, float64: Float64Array };

export interface PydicomFrame {
  stored: ArrayLike<number> | null;
  shown: Uint8Array | null;
}
export interface PydicomAnswer {
  frames: Map<number, PydicomFrame>;
  texts: PeerElement[] | null;
}

interface Answer {
  error?: string;
  texts?: PeerElement[] | null;
  frames?: Record<string, { type?: keyof typeof TYPES; shown?: boolean }>;
}

/** `npm run conformance` says what it means when there is none: rows that only pydicom could judge are then not judged. */
export async function pydicomAnswers(jobs: readonly { path: string; frames: readonly number[] }[], scratch: string): Promise<PydicomAnswer[] | { unreachable: string }> {
  const python = await environment('pydicom.txt');
  if ('unreachable' in python) return python;
  const list = join(scratch, 'pydicom.json');
  const out = (index: number): string => join(scratch, `pydicom-${index}`);
  writeFileSync(list, JSON.stringify(jobs.map((job, index) => ({ ...job, out: out(index) }))));
  const { code, output } = await execute(join(python.folder, 'bin/python'), [join(ROOT, 'test/conformance/pydicom_peer.py'), list]);
  const answers = output.split('\n').find((line) => line.startsWith('['));
  if (code !== 0 || answers === undefined) throw new Error(`pydicom_peer.py failed:\n${output}`);
  return (JSON.parse(answers) as Answer[]).map(({ frames = {}, texts = null }, index) => ({
    texts,
    frames: new Map(Object.entries(frames).map(([n, { type, shown }]) => {
      const bytes = (kind: string): ArrayBuffer => new Uint8Array(readFileSync(`${out(index)}.${n}.${kind}`)).buffer;
      return [Number(n), { stored: type === undefined ? null : new TYPES[type](bytes('stored')), shown: shown ? new Uint8Array(bytes('shown')) : null }];
    })),
  }));
}
