/** Values of the contracts for the tests of this room. */
import type { InstanceInfo, Library, SeriesInfo, StudyInfo } from '../../src/contract/dicom.ts';
import type { Box, ClassificationComparison, ClassificationRun, DetectionComparison, DetectionRun, EngineId, RunFailed } from '../../src/contract/engine.ts';
import type { ModelInfo } from '../../src/contract/ipc.ts';

export const instance = (id: string, change: Partial<InstanceInfo> = {}): InstanceInfo => ({
  id, sopInstanceUid: `1.2.${id}`, sopClassUid: '', transferSyntaxUid: '', fileName: `${id}.dcm`, modality: 'DX', instanceNumber: 1, rows: 4, columns: 4, frames: 1,
  photometricInterpretation: 'MONOCHROME2', bodyPart: 'CHEST', viewPosition: 'AP', laterality: '', patientOrientation: [], slicePosition: null, frameOfReferenceUid: '', planes: [], spacing: null, regions: [], pixelAspect: 1,
  windows: [], frameTime: null, qualityControl: false, lossy: false, ...change,
});
export const series = (uid: string, instances: InstanceInfo[]): SeriesInfo => ({ uid, number: 1, description: uid, modality: instances[0]?.modality ?? '', instances });
export const study = (uid: string, list: SeriesInfo[]): StudyInfo => ({
  uid, patientName: { alphabetic: uid, ideographic: '', phonetic: '' }, patientId: '', patientBirthDate: '', patientSex: '', date: '', time: '', description: '', accessionNumber: '', institution: '', series: list, objects: [],
});
export const library = (...studies: StudyInfo[]): Library => ({ studies, problems: [] });

export const model: ModelInfo = {
  id: 'm',
  card: '# M',
  engines: ['cpu-fp32', 'cpu-int8', 'board'],
  own: false,
  metadata: {
    version: '1', task: '', description: '', authors: '', copyright: '', license: '', data_source: '', intended_use: '', eval_metrics: {}, network_data_format: { inputs: {}, outputs: {} },
    fabriclens: {
      task: 'classification', name: 'm', title: { en: 'M' }, sha256: { 'model.onnx': '0'.repeat(64), 'model.int8.onnx': '0'.repeat(64) },
      input: { name: 'image', shape: [1, 1, 8, 8], scale: 1, zeroPoint: 0 },
      preprocessing: { width: 8, height: 8, channels: 1, fit: 'squash', pad: 0, resample: 'triangle', mean: 0, std: 1 },
      outputs: { logits: 'logits' }, activation: 'softmax', labels: [{ name: 'A', text: { en: 'A' } }, { name: 'B', text: { en: 'B' } }],
      threshold: { classIndex: 1, value: 0.5, method: '', sha256: '0'.repeat(64) }, tolerance: 0.02,
      intended: { modalities: ['DX', 'CR'], bodyParts: ['CHEST'], views: [], text: { en: 'chests' } }, limits: [],
    },
  },
};

const ran = (engine: EngineId): Pick<ClassificationRun, 'state' | 'engine' | 'identity' | 'repeats' | 'timings' | 'total'> => ({
  state: 'ok',
  engine,
  identity: { model: 'm', modelVersion: '1', modelSha256: '0'.repeat(64), engine, runner: '', software: '' },
  repeats: 3, timings: [], total: { p50: 0, p95: 0 },
});
export const run = (engine: EngineId, p: number, change: Partial<ClassificationRun> = {}): ClassificationRun => ({ ...ran(engine), task: 'classification', logits: [0, 0], probabilities: [1 - p, p], classMaps: null, ...change });
export const detected = (engine: EngineId, boxes: Box[]): DetectionRun => ({ ...ran(engine), task: 'detection', boxes });
export const failed = (engine: EngineId): RunFailed => ({ state: 'failed', engine, code: 'board-unreachable', message: 'no board' });
export const comparison = (runs: ClassificationComparison['runs'], change: Partial<ClassificationComparison> = {}): ClassificationComparison => ({
  task: 'classification', instanceId: 'i', frame: 0, model: 'm', warnings: [], runs, threshold: { classIndex: 1, value: 0.5 }, flips: [], maxDelta: null, tolerance: 0.02, ...change,
});
export const detection = (runs: DetectionComparison['runs'], groups: DetectionComparison['groups'], change: Partial<DetectionComparison> = {}): DetectionComparison => ({
  task: 'detection', instanceId: 'i', frame: 0, model: 'm', warnings: [], runs, groups, agreements: [], flips: [], maxDelta: null, tolerance: 0.02,
  rule: { scoreThreshold: 0.25, iouThreshold: 0.45, maxDetections: 300, objectness: true, boxes: 'cxcywh-pixels' }, ...change,
});
