/** Calibration images as tensors, and what they say of themselves. */
import { basename, extname } from 'node:path';
import { CompileError } from '../compiler/error.ts';
import { readNpy, samplesOf } from '../compiler/quantise/npy.ts';
import type { Preprocessing } from '../contract/model.ts';
import { decodeFrame, DicomError, parseDicom, summarise, type Decoder } from '../dicom/index.ts';
import { readBounded, readFailure } from '../engines/index.ts';
import { toTensor } from '../preprocess/index.ts';
import { walkPaths } from '../review/index.ts';
import { readImage } from './image-file.ts';
import { readInput } from './model-source.ts';

const MAX_FILES = 20_000;
const DEFAULT_SAMPLES = 128;
const MAX_FILE_BYTES = 2 ** 30;

export type SampleOptions = {
  /** Folder of calibration files. */
  readonly calibrate: string;
  /** Calibration files at most; more are thinned out evenly. */
  readonly samples?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: { step: string; done: number; total: number }) => void) | undefined;
};

export type Samples = { samples: Float32Array[]; modalities: string[]; skipped: { file: string; message: string }[] };

/** @throws CompileError where there is none, or a tensor does not fit */
export async function readSamples(options: SampleOptions, dims: readonly number[], preprocessing: Preprocessing, codecs: Decoder): Promise<Samples> {
  const { files, problems } = await walkPaths([options.calibrate], MAX_FILES, options.signal);
  const limit = options.samples ?? DEFAULT_SAMPLES;
  const chosen = files.length <= limit ? files : Array.from({ length: limit }, (_, i) => files[Math.floor((i * files.length) / limit)]!);
  const found: Samples = { samples: [], modalities: [], skipped: problems.map(({ path, message }) => ({ file: path, message })) };
  const modalities = new Set<string>();
  for (const [index, { path }] of chosen.entries()) {
    options.signal?.throwIfAborted();
    options.onProgress?.({ step: 'reading samples', done: index + 1, total: chosen.length });
    const file = basename(path);
    try {
      if (extname(path).toLowerCase() === '.npy') {
        // The same array may hold more samples than are wanted.
        found.samples.push(...samplesOf(readNpy(await readInput(path), file), dims, preprocessing, file).slice(0, limit));
        continue;
      }
      const bytes = await readBounded(path, MAX_FILE_BYTES);
      const image = await readImage(bytes, codecs);
      if (image !== undefined) found.samples.push(toTensor(image, preprocessing));
      else {
        const dicom = parseDicom(bytes);
        modalities.add(summarise(dicom, { id: file, fileName: file }).instance.modality);
        found.samples.push(toTensor(await decodeFrame(dicom, 0, codecs), preprocessing));
      }
    } catch (error) {
      // A wrong tensor is the caller's mistake; a file that is no image only lies there.
      if (error instanceof CompileError) throw error;
      found.skipped.push({ file: path, message: error instanceof DicomError ? `${file}: ${error.message}.` : `${file}: ${readFailure(error)}.` });
    }
  }
  if (found.samples.length === 0) {
    const why = found.skipped[0]?.message ?? 'it is empty';
    throw new CompileError(`${options.calibrate} holds no calibration sample (${why}). Put DICOM files, .npy arrays, PNG or JPEG images there.`);
  }
  return { ...found, samples: found.samples.slice(0, limit), modalities: [...modalities].filter((m) => m !== '') };
}
