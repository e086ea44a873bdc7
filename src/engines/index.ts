export { createBoardEngine } from './board.ts';
export { EngineError, bounded, type Engine, type EngineErrorCode, type Features, type Inference, type InferOptions, type Outputs, type PartSample, type RawBoxes } from './engine.ts';
export { createCpuEngine } from './cpu.ts';
export { readVerified, type ExecutedFile, type ModelPackage } from './package.ts';
export { readBounded, readFailure, TooLargeError } from './read-bounded.ts';
export { openSession, type OrtLevel, type OrtSession, type OrtTensor } from './ort-session.ts';
