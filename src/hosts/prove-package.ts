/** What a package's proof runs on the virtual board: stage by stage against the reference, end to end, and the core's cycles. */
import { BoardError } from '../board/index.ts';
import { compileProgram, stageOutputs, type CompileOptions, type CompileReport } from '../compiler/compile.ts';
import { CompileError } from '../compiler/error.ts';
import type { OnnxModel } from '../compiler/onnx.ts';
import { dataOf, prove } from '../compiler/prove/index.ts';
import type { ModelMetadata } from '../contract/model.ts';
import type { CoreEstimate } from '../contract/oip.ts';
import type { RuleProof } from '../contract/report.ts';
import { quantizeInput } from '../preprocess/index.ts';
import { ProofBoard } from './proof-board.ts';
import type { Resources } from './resources.ts';

export type Proven = {
  readonly estimate: CoreEstimate | null;
  readonly rule: RuleProof;
  /** The network's own outputs on every sample; why not. */
  readonly outputs: readonly Map<string, Float32Array>[] | string;
  readonly notes: readonly string[];
};

export type ToProve = {
  /** Canonical QDQ, and the file that it is. */
  readonly model: OnnxModel;
  readonly bytes: Uint8Array;
  readonly program: Uint8Array;
  readonly report: CompileReport;
  readonly options: CompileOptions;
  readonly metadata: ModelMetadata;
  /** Inputs as the network takes them. */
  readonly samples: readonly Float32Array[];
  readonly clockMHz: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: { step: string; done: number; total: number }) => void) | undefined;
};

/**
 * @param folder that does not exist yet; the caller removes it
 * @throws CompileError naming the layer where the program breaks the rule; the signal's reason
 */
export async function provePackage(folder: string, work: ToProve, resources: Resources): Promise<Proven> {
  const notRun = (why: string): Proven => ({ estimate: null, rule: { state: 'not-run', why }, outputs: why, notes: [`The program was not proven: ${why}`] });
  let board: ProofBoard | undefined;
  try {
    board = await ProofBoard.start(folder, resources, work.signal);
    await board.load('package', work.program, work.metadata);
    const notes: string[] = [];
    const estimate = await estimated(board, work.clockMHz, notes);
    const inputs = work.samples.map((sample) => quantizeInput(sample, work.metadata.fabriclens.input.scale, work.metadata.fabriclens.input.zeroPoint));
    const own = work.model.outputs.map((o) => o.name);
    const outputs = [];
    for (const [i, codes] of inputs.entries()) {
      work.onProgress?.({ step: 'running the golden model', done: i + 1, total: inputs.length });
      outputs.push((await board.run('package', work.metadata, codes, own)) as Map<string, Float32Array>);
    }
    return { estimate, rule: await ruleOf(board, work, inputs, outputs), outputs, notes };
  } catch (error) {
    work.signal?.throwIfAborted();
    if (error instanceof BoardError) return notRun(error.message);
    throw error;
  } finally {
    await board?.close();
  }
}

async function estimated(board: ProofBoard, clockMHz: number | undefined, notes: string[]): Promise<CoreEstimate | null> {
  try {
    return await board.estimate('package', clockMHz);
  } catch (error) {
    if (!(error instanceof BoardError) || error.code !== 'bad-request') throw error;
    notes.push(`Cycles of the core are unknown: ${error.message}`);
    return null;
  }
}

/** Stages' codes come out of programs that differ from the package's in nothing but how long memory is kept: that is checked first. */
async function ruleOf(board: ProofBoard, { model, bytes, program, report, options, metadata, signal, onProgress }: ToProve, inputs: readonly Int8Array[], outputs: readonly ReadonlyMap<string, Float32Array>[]): Promise<RuleProof> {
  const data = Buffer.from(dataOf(program));
  const own = model.outputs.map((o) => o.name);
  const names = new Map<readonly string[], string>();
  const opened = async (tensors: readonly string[]): Promise<string> => {
    const known = names.get(tensors);
    if (known !== undefined) return known;
    const name = `stages-${names.size}`;
    const open = compileProgram(bytes, { ...options, extraOutputs: tensors }).program;
    if (!data.equals(dataOf(open))) throw new CompileError('the program with its stages as outputs has other constants than the package\'s: a defect of FabricLens; report it with the model. No package was made.');
    await board.load(name, open, metadata);
    names.set(tensors, name);
    return name;
  };
  return prove(model, report, stageOutputs(bytes, options), inputs, async (tensors, codes) => {
    const made = await board.run(await opened(tensors), metadata, codes, [...own, ...tensors]);
    const want = outputs[inputs.indexOf(codes)];
    const different = own.find((output) => !sameBytes(made.get(output) as Float32Array, want?.get(output) as Float32Array));
    if (different !== undefined) throw new CompileError(`the program with its stages as outputs gives another "${different}" than the package's: a defect of FabricLens; report it with the model. No package was made.`);
    return new Map(tensors.map((tensor) => [tensor, made.get(tensor) as Int8Array]));
  }, { signal, onProgress });
}

const sameBytes = (a: Float32Array, b: Float32Array): boolean => Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));
