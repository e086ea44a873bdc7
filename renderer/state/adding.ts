/** Adding a model, step by step: what the reader chose so far, and the calls that it takes. It goes on while another workspace is shown. */
import type { CalibrationMethod, Deployed, HostBridge, ModelDraft, PickedFile } from '../../src/contract/ipc.ts';
import { fieldsOf, formOf, type Faults, type ModelForm } from './modelForm.ts';
import type { AppState, Store } from './store.ts';

export const ADD_STEPS = ['file', 'describe', 'samples', 'make', 'report', 'deploy'] as const;
export type AddStep = (typeof ADD_STEPS)[number];

export interface AddFailure {
  code: string;
  message: string;
  node: string | undefined;
}
export interface Adding {
  step: AddStep;
  model: PickedFile | null;
  metadata: PickedFile | null;
  draft: ModelDraft | null;
  form: ModelForm | null;
  /** Shown once the reader wanted to go on. */
  faults: Faults;
  samples: PickedFile | null;
  /** null: the best of all. */
  method: CalibrationMethod | null;
  /** Calibration files at most. */
  limit: number;
  busy: 'pick' | 'inspect' | 'make' | 'cancel' | 'deploy' | null;
  /** Parts of the work in the order in which they began; the last is under way. */
  progress: ReadonlyArray<{ step: string; done: number; total: number }>;
  /** Of the work, by this computer's clock (milliseconds); null before it. */
  startedAt: number | null;
  endedAt: number | null;
  failure: AddFailure | null;
  deployed: Deployed | null;
  /** The model's name, once it is there. */
  added: string | null;
}

const NEW: Adding = {
  step: 'file', model: null, metadata: null, draft: null, form: null, faults: {}, samples: null, method: null, limit: 128, busy: null,
  progress: [], startedAt: null, endedAt: null, failure: null, deployed: null, added: null,
};

export class ModelAdder {
  private readonly bridge: HostBridge;
  private readonly store: Store<AppState>;
  private readonly refresh: () => Promise<void>;
  private abort = new AbortController();
  /** Counts the wizards that were left. */
  private left = 0;

  /** `refresh` asks for the list of models anew. */
  constructor(bridge: HostBridge, store: Store<AppState>, refresh: () => Promise<void>) {
    this.bridge = bridge;
    this.store = store;
    this.refresh = refresh;
  }

  begin(): void {
    if (this.now === null) this.store.set({ adding: NEW });
  }

  /** Would leaving now lose anything? */
  get dirty(): boolean {
    const { now } = this;
    return now !== null && now.added === null && (now.model !== null || now.busy !== null);
  }

  /** Leaves; what runs is cancelled, and what is added stays. */
  leave(): void {
    this.left++;
    this.abort.abort();
    this.store.set({ adding: null });
  }

  async pick(what: 'onnx' | 'metadata' | 'samples'): Promise<void> {
    await this.work('pick', async (change) => {
      const { file } = await this.bridge.call('models.pick', { what });
      if (file === null) return;
      if (what === 'samples') change({ samples: file });
      // Another file: what was known of the one before is not true of it.
      else change({ [what === 'onnx' ? 'model' : 'metadata']: file, draft: null, form: null, faults: {} });
    });
  }

  withoutMetadata(): void {
    this.change({ metadata: null, draft: null, form: null, faults: {}, failure: null });
  }

  edit(change: Partial<ModelForm>): void {
    const { form, faults } = this.now ?? NEW;
    if (!form) return;
    const rest = Object.fromEntries(Object.entries(faults).filter(([field]) => !(field in change)));
    this.change({ form: { ...form, ...change }, faults: rest });
  }

  set(change: Pick<Partial<Adding>, 'method' | 'limit'>): void {
    this.change(change);
  }

  back(): void {
    const { now } = this;
    if (now === null || now.busy !== null) return;
    const to = ADD_STEPS[ADD_STEPS.indexOf(now.step) - 1];
    if (to) this.change({ step: to, failure: null });
  }

  /** Goes on, when what this step asks for is there. */
  async next(): Promise<void> {
    const { now } = this;
    if (now === null || now.busy !== null) return;
    if (now.step === 'file') await this.inspect(now);
    else if (now.step === 'describe') this.describe(now);
    else if (now.step === 'samples' && now.samples) this.change({ step: 'make', progress: [], startedAt: null, endedAt: null, failure: null });
    else if (now.step === 'report') this.change({ step: 'deploy' });
    if (this.now?.step === 'make' && this.now.startedAt === null) await this.make();
  }

  /** Stops the work; the reader stays and can change something. */
  cancel(): void {
    if (this.now?.busy !== 'make') return;
    this.change({ busy: 'cancel' });
    this.abort.abort();
  }

  async deploy(): Promise<void> {
    const { now } = this;
    if (!now?.added) return;
    const id = now.added;
    await this.work('deploy', async (change, signal) => change({ deployed: await this.bridge.call('models.deploy', { id }, signal) }));
  }

  async make(): Promise<void> {
    const { now } = this;
    const fields = now?.form && now.draft ? fieldsOf(now.form, now.draft, []) : null;
    if (!now?.model || !now.samples || !now.draft || fields === null || 'faults' in fields) return;
    const { model, metadata, samples, draft, method, limit } = now;
    const own = this.own();
    this.change({ progress: [], startedAt: Date.now(), endedAt: null });
    const unsubscribe = this.bridge.on('models.progress', (progress) => {
      const before = this.now?.progress ?? [];
      const known = before.findIndex(({ step }) => step === progress.step);
      own({ progress: known < 0 ? [...before, progress] : before.map((one, i) => (i === known ? progress : one)) });
    });
    await this.work('make', async (change, signal) => {
      const { id } = await this.bridge.call('models.add', { model: model.id, metadata: metadata?.id ?? null, fields: fields.fields, samples: samples.id, method: draft.quantised ? null : method, limit }, signal);
      change({ added: id, step: 'report' });
      await this.refresh();
      this.store.set({ modelId: id });
    });
    unsubscribe();
    own({ endedAt: Date.now() });
  }

  private async inspect(now: Adding): Promise<void> {
    if (!now.model) return;
    if (now.draft) return this.change({ step: 'describe', failure: null });
    const { model, metadata } = now;
    await this.work('inspect', async (change, signal) => {
      const draft = await this.bridge.call('models.inspect', { model: model.id, metadata: metadata?.id ?? null }, signal);
      change({ draft, form: formOf(draft), step: 'describe' });
    });
  }

  private describe({ form, draft }: Adding): void {
    if (!form || !draft) return;
    const { models, modelProblems } = this.store.get();
    const result = fieldsOf(form, draft, [...models.map(({ id }) => id), ...modelProblems.map(({ name }) => name)]);
    this.change('faults' in result ? { faults: result.faults } : { faults: {}, step: 'samples', failure: null });
  }

  private get now(): Adding | null {
    return this.store.get().adding;
  }

  private change(change: Partial<Adding>): void {
    this.store.set(({ adding }) => (adding === null ? {} : { adding: { ...adding, ...change } }));
  }

  /** For what is answered later: a wizard that was left takes no more answers, nor does the next one. */
  private own(): (change: Partial<Adding>) => void {
    const { left } = this;
    return (change) => {
      if (left === this.left) this.change(change);
    };
  }

  private async work(busy: NonNullable<Adding['busy']>, act: (change: (change: Partial<Adding>) => void, signal: AbortSignal) => Promise<void>): Promise<void> {
    if (this.now === null || this.now.busy !== null) return;
    this.abort = new AbortController();
    const { signal } = this.abort;
    const own = this.own();
    own({ busy, failure: null });
    try {
      await act(own, signal);
    } catch (error) {
      const { name, message, node } = error as Error & { node?: string };
      own({ failure: { code: signal.aborted ? 'cancelled' : name, message, node } });
    } finally {
      own({ busy: null });
    }
  }
}
