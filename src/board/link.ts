/**
 * Keeps a board in reach and says how it is: opens it, polls its health, opens it again when it was lost. One state machine for the
 * virtual board and for a board on the network, used by the window and the command line alike.
 *
 *   starting ─ open() ─ connecting ─ healthy ─ ready ─ no answer ─ lost ─ healthy ─ ready
 *      └────────────────────┴── cannot be had without somebody's help ── absent ─ reconnect() ─ starting
 *
 * `busy` (others' requests wait there) and `degraded` (it answers slowly, or let one look go by) are ready too.
 */
import type { BoardStatus } from '../contract/ipc.ts';
import { OipClient, type OipClientOptions } from './client.ts';
import { BoardError } from './errors.ts';
import { addressOf, type Endpoint } from './http.ts';
import type { SshConnection, SshOptions } from './ssh/connection.ts';
import { SshTunnel } from './tunnel.ts';
import { startVirtualBoard, type OpenBoard, type VirtualBoardOptions } from './virtual.ts';

export interface BoardLinkOptions {
  id: string;
  name: string;
  virtual: boolean;
  link: BoardStatus['link'];
  /** Makes the board reachable; called again after a virtual board died. Rejecting means that it cannot be had: state `absent`. */
  open: (signal: AbortSignal) => Promise<OpenBoard>;
  /** Milliseconds between looks at a ready board. */
  pollMs?: number;
  /** Limits of the client that `ready()` gives. */
  client?: Partial<OipClientOptions>;
}

/** Milliseconds before the next attempt, by how many failed in a row. */
const BACKOFF_MS = [250, 500, 1_000, 2_000, 5_000, 10_000] as const;
/** Between looks at a board that answers, but is still loading its models. */
const LOADING_MS = 100;
const HEALTH_TIMEOUT_MS = 5_000;
/** A look that takes longer makes a board on the network degraded. */
const SLOW_MS = 2_000;
/** So many inferences waiting or running make it busy. */
const BUSY_DEPTH = 4;
/** What goes by itself: a board that is off, or still booting. The rest needs somebody's help. */
const PASSING: ReadonlySet<unknown> = new Set(['board-unreachable', 'timeout', 'busy']);
const NEEDS_HELP: ReadonlySet<unknown> = new Set(['unauthorised', 'host-key']);

/** Does a board in this state take requests? */
export const isUsable = (state: BoardStatus['state']): boolean => state === 'ready' || state === 'busy' || state === 'degraded';
/** A virtual board that dies so often in a row without having been ready for STABLE_MS is not started again. */
const MAX_DEATHS = 5;
const STABLE_MS = 30_000;

export class BoardLink {
  readonly #options: BoardLinkOptions;
  readonly #listeners = new Set<(status: BoardStatus) => void>();
  readonly #end = new AbortController();
  #status: BoardStatus;
  #client: OipClient | undefined;
  /** Why the state is `absent`. */
  #absence: BoardError | undefined;
  #running: Promise<void> | undefined;
  /** Aborted to leave what the loop is waiting for: reconnect() and close(). */
  #round = new AbortController();

  constructor(options: BoardLinkOptions) {
    this.#options = options;
    this.#status = { id: options.id, name: options.name, virtual: options.virtual, link: options.link, use: true, address: '', state: options.virtual ? 'starting' : 'connecting', message: '', backend: '', models: [] };
  }

  get status(): BoardStatus {
    return this.#status;
  }

  /** Of the board while it takes requests. */
  get client(): OipClient | undefined {
    return isUsable(this.#status.state) ? this.#client : undefined;
  }

  /** Calls back on every change; returns the unsubscriber. */
  onStatus(listener: (status: BoardStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Starts to watch; does nothing when it does already. */
  start(): void {
    this.#running ??= this.#loop();
  }

  /** The client of the ready board. Waits while it is starting, connecting or lost, at most timeoutMs; rejects with BoardError. */
  async ready({ signal, timeoutMs = 30_000 }: { signal?: AbortSignal | undefined; timeoutMs?: number } = {}): Promise<OipClient> {
    this.start();
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const { state, message } = this.#status;
        const { client } = this;
        if (client) settle(() => resolve(client));
        else if (state === 'absent') settle(() => reject(this.#absence ?? new BoardError('board-absent', message)));
      };
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        unsubscribe();
        act();
      };
      const onAbort = (): void => settle(() => reject(new BoardError('cancelled', `Waiting for board ${this.#options.name} was cancelled.`)));
      const timer = setTimeout(
        () => settle(() => reject(new BoardError('board-unreachable', this.#status.message || `Board ${this.#options.name} was not ready within ${timeoutMs} ms; look at its log.`))),
        timeoutMs,
      );
      const unsubscribe = this.onStatus(look);
      if (signal?.aborted) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      look();
    });
  }

  /** Drops what there is and opens the board anew, from any state. */
  reconnect(): void {
    this.start();
    if (this.#end.signal.aborted) return;
    this.#begin();
    this.#round.abort();
  }

  /** Ends the watch, and the virtual board with it. */
  async close(): Promise<void> {
    this.#end.abort();
    this.#round.abort();
    await this.#running;
  }

  async #loop(): Promise<void> {
    let deaths = 0;
    let misses = 0;
    while (!this.#end.signal.aborted) {
      this.#round = new AbortController();
      const round = this.#round.signal;
      let board: OpenBoard | undefined;
      try {
        if (misses === 0) this.#begin(deaths === 0 ? '' : this.#status.message);
        board = await this.#options.open(round);
        misses = 0;
        const began = performance.now();
        const reason = await this.#watch(board, round);
        if (round.aborted) deaths = 0;
        else {
          deaths = performance.now() - began > STABLE_MS ? 1 : deaths + 1;
          this.#set({ state: 'lost', message: `${sentence(reason)} It is being started again.` });
          if (deaths >= MAX_DEATHS) throw new BoardError('board-absent', `${sentence(reason)} It was started ${deaths} times in a row; look at its log, then connect again.`);
          await pause(BACKOFF_MS[deaths - 1] ?? 10_000, round);
        }
      } catch (error) {
        if (!round.aborted && !this.#options.virtual && error instanceof BoardError && PASSING.has(error.code)) {
          this.#set({ message: error.message });
          await pause(BACKOFF_MS[misses++] ?? 10_000, round);
        } else if (!round.aborted) {
          this.#absence = error instanceof BoardError ? error : new BoardError('board-absent', messageOf(error), { cause: error });
          this.#set({ state: 'absent', message: this.#absence.message, models: [] });
          await aborted(round);
          misses = 0;
        }
        deaths = 0;
      } finally {
        this.#client?.close();
        this.#client = undefined;
        await board?.close();
      }
    }
    this.#absence = new BoardError('board-absent', `The link to board ${this.#options.name} was closed.`);
    this.#set({ state: 'absent', message: this.#absence.message, models: [] });
  }

  #begin(message = ''): void {
    this.#set({ state: this.#options.virtual ? 'starting' : 'connecting', address: '', message, backend: '', models: [] });
  }

  /** Until the board ends by itself (its reason) or the round is aborted. Throws what needs somebody's help: a wrong token. */
  async #watch(board: OpenBoard, round: AbortSignal): Promise<string> {
    this.#client = new OipClient({ ...this.#options.client, host: board.host, port: board.port, token: board.token, certificateSha256: board.certificateSha256, connect: board.connect });
    let ended: string | undefined;
    const death = new AbortController();
    void board.exited.then((reason) => {
      ended = reason;
      death.abort();
    });
    const signal = AbortSignal.any([round, death.signal]);
    this.#set({ state: 'connecting', address: addressOf(board) });
    let misses = 0;
    let wasReady = false;
    while (!signal.aborted) {
      let wait = this.#options.pollMs ?? 2_000;
      try {
        this.#set(await this.#look(this.#client, signal));
        wasReady = true;
        misses = 0;
      } catch (error) {
        if (signal.aborted) break;
        const code = error instanceof BoardError ? error.code : undefined;
        if (NEEDS_HELP.has(code)) throw error;
        wait = code === 'busy' ? LOADING_MS : (BACKOFF_MS[misses++] ?? 10_000);
        const state = !wasReady ? 'connecting' : code === 'busy' ? 'busy' : code === 'timeout' && misses === 1 ? 'degraded' : 'lost';
        this.#set({ state, message: messageOf(error) });
      }
      await pause(wait, signal);
    }
    return ended ?? '';
  }

  async #look(client: OipClient, signal: AbortSignal): Promise<Pick<BoardStatus, 'state' | 'message' | 'backend' | 'models'>> {
    const options = { signal, timeoutMs: HEALTH_TIMEOUT_MS };
    const began = performance.now();
    await client.ready(options);
    const { parameters } = await client.serverMetadata(options);
    const index = (await client.repositoryIndex(options)) ?? [];
    const took = performance.now() - began;
    const models = index.filter(({ state }) => state === 'READY').map(({ name }) => name);
    const seen = { backend: String(parameters?.['backend'] ?? ''), models };
    if (took > SLOW_MS && !this.#options.virtual) return { ...seen, state: 'degraded', message: `Board ${client.address} takes ${(took / 1000).toFixed(1)} s to say how it is; it may be overloaded.` };
    const depth = Number(parameters?.['queue_depth'] ?? 0);
    return { ...seen, state: depth >= BUSY_DEPTH ? 'busy' : 'ready', message: String(parameters?.['pl_refusal'] ?? '') };
  }

  #set(change: Partial<BoardStatus>): void {
    const next = { ...this.#status, ...change };
    if (JSON.stringify(next) === JSON.stringify(this.#status)) return;
    this.#status = next;
    for (const listener of [...this.#listeners]) listener(next);
  }
}

/** A link to the virtual board, not started yet. */
export function virtualBoardLink(options: VirtualBoardOptions & Pick<BoardLinkOptions, 'pollMs' | 'client'>): BoardLink {
  const { pollMs, client, ...board } = options;
  return new BoardLink({
    id: 'virtual', name: 'Virtual board', virtual: true, link: 'process',
    open: (signal) => startVirtualBoard({ ...board, signal }),
    ...(pollMs === undefined ? {} : { pollMs }), ...(client ? { client } : {}),
  });
}

type Watching = Pick<BoardLinkOptions, 'pollMs' | 'client'>;

/** A link to an agent (or another OIP server) that somebody else started, not started yet. */
export function connectBoard({ host, port, token, certificateSha256, id, name, ...watching }: Omit<Endpoint, 'connect'> & Watching & Partial<Pick<BoardLinkOptions, 'id' | 'name'>>): BoardLink {
  const address = addressOf({ host, port });
  return new BoardLink({
    ...watching, id: id ?? address, name: name ?? address, virtual: false, link: certificateSha256 === undefined ? 'tcp' : 'tls',
    open: () => Promise.resolve({ host, port, token, certificateSha256, close: () => Promise.resolve(), exited: new Promise<string>(() => {}) }),
  });
}

export interface SshBoardOptions extends Watching {
  id: string;
  name: string;
  ssh: Omit<SshOptions, 'signal'>;
  /** Of the agent, on the board's loopback. */
  port: number;
  /** Reads the agent's token over the connection; it stays in memory. */
  readToken: (ssh: SshConnection) => Promise<string | undefined>;
}

/** A link to the agent of a real board through one SSH connection, not started yet. */
export function sshBoardLink({ id, name, ssh, port, readToken, ...watching }: SshBoardOptions): BoardLink {
  return new BoardLink({
    ...watching, id, name, virtual: false, link: 'ssh',
    open: async (signal) => {
      const tunnel = new SshTunnel(ssh);
      const close = (): Promise<void> => tunnel.close();
      signal.addEventListener('abort', () => void close(), { once: true });
      try {
        const token = await readToken(await tunnel.connection());
        return { host: ssh.host, port, token, connect: () => tunnel.stream(port), close, exited: new Promise<string>(() => {}) };
      } catch (error) {
        await close();
        throw error;
      }
    },
  });
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** Resolves after `ms`, or at once when the signal fires. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })));
