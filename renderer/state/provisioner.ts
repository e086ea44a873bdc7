/** Setting a board up, step by step: the calls that it takes. It goes on while another board or workspace is shown; where a board stands, the host knows. */
import type { Connected, Login, SecureChoices } from '../../src/contract/boards.ts';
import type { BoardStatus, HostBridge } from '../../src/contract/ipc.ts';
import { mayGoOn, NEW_BOARD, SETUP_STEPS, STOPPABLE, type Provisioning } from './provisioning.ts';
import type { AppState, Store } from './store.ts';

type Change = (change: Partial<Provisioning>) => void;

export class BoardProvisioner {
  private readonly bridge: HostBridge;
  private readonly store: Store<AppState>;
  private abort = new AbortController();
  /** Counts the wizards that were left. */
  private left = 0;
  /** What failed last, to be done again; it may hold a password. */
  private again: (() => Promise<void>) | null = null;

  constructor(bridge: HostBridge, store: Store<AppState>) {
    this.bridge = bridge;
    this.store = store;
  }

  begin(): void {
    if (this.now === null) this.store.set({ provisioning: NEW_BOARD });
  }

  /** A board that was trusted before: as far as what is kept for it goes. */
  async resume({ id, name, address, ssh }: BoardStatus): Promise<void> {
    if (this.now !== null || ssh === undefined) return;
    this.store.set({ provisioning: { ...NEW_BOARD, step: 'trust', board: { id, name }, address, user: ssh.user } });
    await this.connect(null, null, true);
  }

  /** Would leaving now stop something? */
  get dirty(): boolean {
    const busy = this.now?.busy;
    return busy === 'install' || busy === 'secure' || busy === 'cancel';
  }

  /** Leaves; what runs is cancelled, and what is done stays done. */
  leave(): void {
    this.left++;
    this.again = null;
    this.abort.abort();
    this.store.set({ provisioning: null });
  }

  set(change: Pick<Partial<Provisioning>, 'where' | 'address' | 'user' | 'compared'>): void {
    this.change(change);
  }

  /** null: the usual places. */
  async find(where: string | null): Promise<void> {
    await this.work('find', async (change, signal) => {
      change({ found: [], looked: null, address: '' });
      const stop = this.bridge.on('boards.found', ({ found, done, total }) => change({ found, looked: { done, total } }));
      try {
        const { found } = await this.bridge.call('boards.find', { where }, signal);
        change({ found, address: found.length === 1 ? found[0]!.address : '' });
      } finally {
        stop();
      }
    });
  }

  /** `login` null: what is kept for it, and the SSH agent. A board that is `resumed` goes on to its check. */
  async connect(login: Login | null, accept: string | null, resumed = false): Promise<void> {
    const { now } = this;
    if (now === null) return;
    const { address, user } = now;
    await this.work('connect', async (change, signal) => {
      const connected: Connected = await this.bridge.call('boards.connect', { address, user, login, accept, name: null }, signal);
      change({ connected, compared: false, ...(connected.state === 'trusted' ? { board: { id: connected.id, name: connected.name } } : {}) });
    });
    if (resumed && this.now?.connected?.state === 'trusted') await this.check();
  }

  async pick(what: 'key' | 'publicKey' | 'overlay'): Promise<void> {
    await this.work('pick', async (change) => {
      const { file } = await this.bridge.call('boards.pick', { what });
      if (file !== null) change({ [what === 'key' ? 'keyFile' : what]: file });
    });
    if (what === 'overlay' && this.now?.step === 'plan' && this.now.failure === null) await this.makePlan();
  }

  async withoutOverlay(): Promise<void> {
    this.change({ overlay: null });
    await this.makePlan();
  }

  async secure(choices: SecureChoices): Promise<void> {
    await this.work('secure', async (change, signal) => {
      const { board, connected } = this.now!;
      const secured = await this.bridge.call('boards.secure', { id: board!.id, choices }, signal);
      change({ secured, ...(connected?.state === 'trusted' ? { connected: { ...connected, fingerprint: secured.fingerprint ?? connected.fingerprint, publicPassword: connected.publicPassword && choices.password === null, twin: choices.hostKeys ? null : connected.twin } } : {}) });
    });
  }

  /** Goes on, when what this step asks for is there. `name`: of the board, once it is trusted. */
  async next(name = ''): Promise<void> {
    const { now } = this;
    if (now === null || !mayGoOn(now)) return;
    if (now.step === 'find') {
      this.change({ step: 'trust', connected: null, board: null, secured: null, report: null, plan: null });
      await this.connect(null, null);
    } else if (now.step === 'trust' && now.connected?.state === 'unknown') await this.connect(null, now.connected.fingerprint);
    else if (now.step === 'trust') await this.named(name.trim());
    else if (now.step === 'check') await this.makePlan();
    else if (now.step === 'plan') await this.install();
    else this.change({ step: 'ready' });
  }

  back(): void {
    const { now } = this;
    if (now === null || now.busy !== null || now.installed) return;
    const to = SETUP_STEPS[SETUP_STEPS.indexOf(now.step) - 1];
    if (to) this.change({ step: to, failure: null, locked: null, ...(to === 'find' ? { connected: null, board: null } : {}) });
  }

  /** Stops what can be stopped; the reader stays at the step. */
  cancel(): void {
    const busy = this.now?.busy;
    if (busy === 'install') this.change({ busy: 'cancel' });
    if (busy && STOPPABLE.has(busy)) this.abort.abort();
  }

  async retry(): Promise<void> {
    await this.again?.();
  }

  /** The login's password for sudo; what wanted it goes on. */
  async unlock(password: string, remember: boolean): Promise<void> {
    const { again, now } = this;
    if (!now?.board) return;
    const { id } = now.board;
    await this.work('unlock', async (change) => {
      await this.bridge.call('boards.unlock', { id, password, remember });
      change({ locked: null });
    });
    if (this.now?.locked === null && this.now.failure === null) await again?.();
  }

  async check(): Promise<void> {
    this.change({ step: 'check', report: null });
    await this.work('check', async (change, signal) => change({ report: await this.bridge.call('boards.doctor', { id: this.now!.board!.id }, signal) }));
  }

  async install(): Promise<void> {
    const { now } = this;
    if (!now?.board || !now.plan) return;
    const [{ id }, overlay] = [now.board, now.overlay?.id ?? null];
    this.change({ step: 'install' });
    await this.work('install', async (change, signal) => {
      change({ events: [], startedAt: Date.now(), endedAt: null });
      const stop = this.bridge.on('boards.step', (event) => {
        if (event.board === id) change({ events: [...(this.now?.events ?? []).filter(({ step }) => step !== event.step), event] });
      });
      try {
        change({ installed: await this.bridge.call('boards.install', { id, overlay }, signal), step: 'test' });
      } finally {
        stop();
        change({ endedAt: Date.now() });
      }
    });
  }

  private async named(name: string): Promise<void> {
    const { id, name: before } = this.now!.board!;
    if (name !== '' && name !== before) {
      await this.work('connect', async (change) => {
        await this.bridge.call('boards.rename', { id, name });
        change({ board: { id, name } });
      });
      if (this.now?.failure !== null) return;
    }
    await this.check();
  }

  private async makePlan(): Promise<void> {
    this.change({ step: 'plan', plan: null, events: [], startedAt: null });
    await this.work('plan', async (change, signal) => change({ plan: await this.bridge.call('boards.plan', { id: this.now!.board!.id, overlay: this.now!.overlay?.id ?? null }, signal) }));
  }

  private get now(): Provisioning | null {
    return this.store.get().provisioning;
  }

  private change(change: Partial<Provisioning>): void {
    this.store.set(({ provisioning }) => (provisioning === null ? {} : { provisioning: { ...provisioning, ...change } }));
  }

  /** For what is answered later: a wizard that was left takes no more answers, nor does the next one. */
  private own(): Change {
    const { left } = this;
    return (change) => {
      if (left === this.left) this.change(change);
    };
  }

  private async work(busy: NonNullable<Provisioning['busy']>, act: (change: Change, signal: AbortSignal) => Promise<void>): Promise<void> {
    if (this.now === null || this.now.busy !== null) return;
    this.abort = new AbortController();
    const { signal } = this.abort;
    const own = this.own();
    if (busy !== 'unlock' && busy !== 'pick') this.again = () => this.work(busy, act);
    own({ busy, failure: null, ...(busy === 'unlock' ? {} : { locked: null }) });
    try {
      await act(own, signal);
    } catch (error) {
      const { name, message } = error as Error;
      const root = busy === 'install' || busy === 'secure' || busy === 'unlock';
      if (name === 'needs-password') own({ locked: 'needed' });
      else own({ failure: { code: signal.aborted ? 'cancelled' : name, message }, ...(root && name === 'unauthorised' ? { locked: 'refused' as const } : {}) });
    } finally {
      own({ busy: null });
    }
  }
}
