/** What a step's child process says at its end. */
export type Step = 'generate' | 'import' | 'quantise' | 'compile';
export type Timed = {
  readonly seconds: number;
  /** Of the process, all threads; Node's start included. */
  readonly cpuSeconds: number;
  /** The most that the process had in memory at once. */
  readonly peakBytes: number;
};
export type StepResult = Timed & {
  /** import: the canonical network's input, and its outputs. */
  readonly input?: readonly number[];
  readonly inputName?: string;
  readonly outputs?: readonly string[];
  /** quantise: the method that won. */
  readonly chosen?: string;
  /** compile: as CompileReport. */
  readonly arenaBytes?: number;
  readonly contiguousBytes?: number;
  readonly floatArenaBytes?: number;
  readonly programBytes?: number;
  readonly macs?: number;
  readonly plMacs?: number;
  readonly convMacs?: number;
  readonly plConvMacs?: number;
  readonly offCore?: readonly string[];
  readonly floatOperators?: number;
  readonly notes?: readonly string[];
};
