/** Boards that are there: what is done with one of them, and what it said. */
import type { DirectBoard, DoctorReport } from '../../src/contract/boards.ts';
import type { HostBridge } from '../../src/contract/ipc.ts';
import type { Failure, Locked } from './provisioning.ts';
import type { AppState, Store } from './store.ts';

/** Of one board. */
export interface Care {
  busy: 'reconnect' | 'use' | 'rename' | 'forget' | 'unlock' | 'doctor' | 'logs' | 'rollback' | 'uninstall' | null;
  locked: Locked | null;
  failure: Failure | null;
  report: DoctorReport | null;
  log: string | null;
  /** What ended well, to be said; `version`: that runs now. */
  done: { what: 'rollback' | 'uninstall'; version: string } | null;
}
export const NO_CARE: Care = { busy: null, locked: null, failure: null, report: null, log: null, done: null };

type Work = (change: (change: Partial<Care>) => void, signal: AbortSignal) => Promise<void>;

export class BoardKeeper {
  private readonly bridge: HostBridge;
  private readonly store: Store<AppState>;
  private readonly aborts = new Map<string, AbortController>();
  /** What failed last, by board, to be done again. */
  private readonly again = new Map<string, () => Promise<void>>();

  constructor(bridge: HostBridge, store: Store<AppState>) {
    this.bridge = bridge;
    this.store = store;
  }

  async reconnect(id: string): Promise<void> {
    await this.work(id, 'reconnect', async () => void (await this.bridge.call('boards.reconnect', { id })));
  }

  async use(id: string, use: boolean): Promise<void> {
    await this.work(id, 'use', async () => void (await this.bridge.call('boards.use', { id, use })));
  }

  async rename(id: string, name: string): Promise<void> {
    await this.work(id, 'rename', async () => void (await this.bridge.call('boards.rename', { id, name })));
  }

  async forget(id: string): Promise<void> {
    // The board keeps its id: trusted again, it begins anew.
    await this.work(id, 'forget', async (change) => {
      await this.bridge.call('boards.forget', { id });
      change(NO_CARE);
    });
  }

  /** Whether secrets can be kept: once, for whoever asks for a password. */
  async askKeychain(): Promise<void> {
    if (this.store.get().keychain !== null) return;
    const available = await this.bridge.call('boards.keychain', {}).then((answer) => answer.available, () => false);
    this.store.set({ keychain: available });
  }

  /** @returns the board's id. Rejects with what the host says. */
  async addDirect(board: DirectBoard): Promise<string> {
    return (await this.bridge.call('boards.addDirect', board)).id;
  }

  async doctor(id: string): Promise<void> {
    await this.work(id, 'doctor', async (change, signal) => change({ report: await this.bridge.call('boards.doctor', { id }, signal) }));
  }

  async logs(id: string): Promise<void> {
    await this.work(id, 'logs', async (change, signal) => change({ log: (await this.bridge.call('boards.logs', { id }, signal)).text }));
  }

  async rollback(id: string): Promise<void> {
    await this.work(id, 'rollback', async (change, signal) => change({ done: { what: 'rollback', version: (await this.bridge.call('boards.rollback', { id }, signal)).version }, report: null }));
  }

  async uninstall(id: string): Promise<void> {
    await this.work(id, 'uninstall', async (change, signal) => {
      await this.bridge.call('boards.uninstall', { id }, signal);
      change({ done: { what: 'uninstall', version: '' }, report: null, log: null });
    });
  }

  /** The login's password for sudo; what wanted it goes on. */
  async unlock(id: string, password: string, remember: boolean): Promise<void> {
    const again = this.again.get(id);
    await this.work(id, 'unlock', async (change, signal) => {
      await this.bridge.call('boards.unlock', { id, password, remember }, signal);
      change({ locked: null });
    });
    const { locked, failure } = this.of(id);
    if (locked === null && failure === null) await again?.();
  }

  async retry(id: string): Promise<void> {
    await this.again.get(id)?.();
  }

  cancel(id: string): void {
    this.aborts.get(id)?.abort();
  }

  private of(id: string): Care {
    return this.store.get().care[id] ?? NO_CARE;
  }

  private async work(id: string, busy: NonNullable<Care['busy']>, act: Work): Promise<void> {
    if (this.of(id).busy !== null) return;
    const change = (part: Partial<Care>): void => this.store.set(({ care }) => ({ care: { ...care, [id]: { ...(care[id] ?? NO_CARE), ...part } } }));
    const abort = new AbortController();
    this.aborts.set(id, abort);
    if (busy !== 'unlock') this.again.set(id, () => this.work(id, busy, act));
    change({ busy, failure: null, done: null, ...(busy === 'unlock' ? {} : { locked: null }) });
    try {
      await act(change, abort.signal);
    } catch (error) {
      const { name, message } = error as Error;
      if (name === 'needs-password') change({ locked: 'needed' });
      else change({ failure: { code: abort.signal.aborted ? 'cancelled' : name, message }, ...(name === 'unauthorised' && NEEDS_ROOT.has(busy) ? { locked: 'refused' } : {}) });
    } finally {
      change({ busy: null });
    }
  }
}

const NEEDS_ROOT: ReadonlySet<Care['busy']> = new Set(['unlock', 'logs', 'rollback', 'uninstall']);
