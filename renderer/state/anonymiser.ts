/** Export without identity: what the reader chose, the call, and what came of it. It goes on while another workspace is shown. */
import type { AnonymiseChoices, AnonymiseReport } from '../../src/contract/anonymise.ts';
import type { HostBridge } from '../../src/contract/ipc.ts';
import { shownNow } from './panes.ts';
import type { AppState, Store } from './store.ts';
import { messageOf } from './studies.ts';
import type { Shown } from './selectors.ts';

export const SCOPES = ['study', 'series', 'image'] as const;
export type Scope = (typeof SCOPES)[number];

export interface Anonymising {
  /** What is exported, by opaque ids, as it was shown when this began. */
  ids: Readonly<Record<Scope, readonly string[]>>;
  scope: Scope;
  choices: AnonymiseChoices;
  /** Images done; null: nothing is being written. */
  done: number | null;
  cancelling: boolean;
  report: AnonymiseReport | null;
  failure: { code: string; message: string } | null;
}

const idsOf = ({ study, series, instance }: Shown): Anonymising['ids'] => ({
  study: study.series.flatMap(({ instances }) => instances.map(({ id }) => id)),
  series: series.instances.map(({ id }) => id),
  image: [instance.id],
});

export class Anonymiser {
  private readonly bridge: HostBridge;
  private readonly store: Store<AppState>;
  private abort: AbortController | null = null;

  constructor(bridge: HostBridge, store: Store<AppState>) {
    this.bridge = bridge;
    this.store = store;
    // The last of it may come behind the answer.
    bridge.on('anonymise.progress', ({ done }) => this.abort && this.change({ done }));
  }

  /** Of what the active pane shows; while an export runs, that one is shown again. */
  begin(): void {
    const shown = shownNow(this.store.get());
    if (shown && this.store.get().anonymising === null) this.store.set({ anonymising: { ids: idsOf(shown), scope: 'study', choices: { keepDates: false, keepPatient: false, includeHeld: false }, done: null, cancelling: false, report: null, failure: null } });
  }

  /** What runs is cancelled; what is written stays. */
  leave(): void {
    this.abort?.abort();
    this.store.set({ anonymising: null });
  }

  set(change: Partial<Pick<Anonymising, 'scope' | 'choices'>>): void {
    this.change({ ...change, failure: null });
  }

  /** To the choices again, with what was chosen. */
  again(): void {
    this.change({ report: null });
  }

  cancel(): void {
    this.change({ cancelling: true });
    this.abort?.abort();
  }

  /** Asks for a folder, then writes. */
  async run(): Promise<void> {
    const { anonymising: now } = this.store.get();
    if (now === null || this.abort) return;
    const abort = (this.abort = new AbortController());
    this.change({ done: 0, cancelling: false, report: null, failure: null });
    try {
      const { report } = await this.bridge.call('anonymise.run', { instanceIds: [...now.ids[now.scope]], choices: now.choices }, abort.signal);
      this.change({ done: null, report });
    } catch (error) {
      this.change({ done: null, failure: abort.signal.aborted ? null : { code: (error as Error).name, message: messageOf(error) } });
    } finally {
      this.abort = null;
    }
  }

  private change(change: Partial<Anonymising>): void {
    this.store.set(({ anonymising }) => (anonymising ? { anonymising: { ...anonymising, ...change } } : {}));
  }
}
