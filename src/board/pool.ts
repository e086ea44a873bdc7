/**
 * Boards at work together: each link watched, runs spread over those that are ready and in use. Who runs on a board holds a lease of it, and is told when the
 * board is lost: what was asked of it is then asked of another (the board engine does that).
 */
import type { BoardStatus } from '../contract/ipc.ts';
import type { OipClient } from './client.ts';
import { BoardError } from './errors.ts';
import { isUsable, type BoardLink } from './link.ts';

/** One run's hold on a board. */
export interface Lease {
  readonly id: string;
  /** For people: `virtual board 127.0.0.1:40123`, `board desk (192.168.2.99:8600)`. */
  readonly name: string;
  readonly client: OipClient;
  /** Fires when the board takes no requests any more; its reason is a BoardError. */
  readonly lost: AbortSignal;
  /** A request was answered after so many milliseconds. */
  answered(ms: number): void;
  release(): void;
}

export interface TakeOptions {
  signal?: AbortSignal | undefined;
  /** For a board to become ready, at most. */
  timeoutMs?: number | undefined;
  /** Ids of boards that this run has had, or that refused it. */
  except?: ReadonlySet<string>;
}

interface Member {
  link: BoardLink;
  use: boolean;
  leases: number;
  /** Milliseconds of a request by model, the last ones counting most. */
  latency: Map<string, number>;
  /** Was waited for in vain. */
  missed: boolean;
  unsubscribe: () => void;
}

/** How long a board may take to become ready: the virtual one starts a process, a real one's processor works at a login for seconds. */
const READY_MS: Record<BoardStatus['link'], number> = { process: 20_000, ssh: 20_000, tcp: 5_000, tls: 5_000 };
/** After it was not ready once: a batch of images must not wait for it again and again. */
const READY_AGAIN_MS = 500;
/** Weight of the last request in a latency. */
const LAST = 0.3;

export class BoardPool {
  readonly #members = new Map<string, Member>();
  readonly #listeners = new Set<(statuses: BoardStatus[]) => void>();
  #started = false;

  constructor(links: readonly BoardLink[] = []) {
    for (const link of links) void this.add(link);
  }

  /** In the order in which they were added. */
  get statuses(): BoardStatus[] {
    return [...this.#members.values()].map(({ link, use }) => ({ ...link.status, use }));
  }

  /** How many boards would take a run now. */
  get usable(): number {
    return this.#ready().length;
  }

  get(id: string): BoardLink | undefined {
    return this.#members.get(id)?.link;
  }

  /** Calls back on every change of any board; returns the unsubscriber. */
  onStatus(listener: (statuses: BoardStatus[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes over the link, its end included. In place of the one with its id, if there is one: resolves when that is closed, whose requests go elsewhere. */
  async add(link: BoardLink, use?: boolean): Promise<void> {
    const { id } = link.status;
    const before = this.#members.get(id);
    before?.unsubscribe();
    this.#members.set(id, { link, use: use ?? before?.use ?? true, leases: 0, latency: new Map(), missed: false, unsubscribe: link.onStatus(() => this.#tell()) });
    if (this.#started) link.start();
    this.#tell();
    await before?.link.close();
  }

  async remove(id: string): Promise<void> {
    const member = this.#members.get(id);
    if (!member) return;
    member.unsubscribe();
    this.#members.delete(id);
    this.#tell();
    await member.link.close();
  }

  /** Whether new runs may go to this board; those that are there stay. */
  use(id: string, on: boolean): void {
    const member = this.#members.get(id);
    if (!member || member.use === on) return;
    member.use = on;
    this.#tell();
  }

  /** Starts to watch all of them, and those that are added later. */
  start(): void {
    this.#started = true;
    for (const { link } of this.#members.values()) link.start();
  }

  /** Resolves when each board in use is ready, cannot be had, or was waited for long enough. */
  async settled(signal?: AbortSignal): Promise<void> {
    await Promise.allSettled(this.#used().map((member) => this.#wait(member, signal)));
  }

  /** Ends the watch over all boards, and the virtual one with it. */
  async close(): Promise<void> {
    await Promise.all([...this.#members.values()].map(({ link }) => link.close()));
  }

  /**
   * A board for one run of a model: ready, in use, serving that model as far as it tells; a real one before the virtual one, then the one with the fewest runs,
   * then the quickest with this model. Waits for the first to become ready; not where `except` names some: then undefined says that there is none.
   * Rejects with BoardError.
   */
  async take(model: string, options: TakeOptions = {}): Promise<Lease | undefined> {
    const chosen = this.#best(model, options.except);
    if (chosen || (options.except?.size ?? 0) > 0) return chosen && this.#lease(chosen, model);
    await this.#oneReady(options);
    const ready = this.#best(model, undefined);
    return ready && this.#lease(ready, model);
  }

  #used(): Member[] {
    return [...this.#members.values()].filter(({ use }) => use);
  }

  #ready(): Member[] {
    return this.#used().filter(({ link }) => isUsable(link.status.state));
  }

  #best(model: string, except: ReadonlySet<string> | undefined): Member | undefined {
    const rank = ({ link: { status: { models, virtual } }, leases, latency }: Member): number[] => [models.includes(model) ? 0 : 1, virtual ? 1 : 0, leases, latency.get(model) ?? 0];
    const order = (a: readonly number[], b: readonly number[]): number => a.map((value, i) => value - b[i]!).find((difference) => difference !== 0) ?? 0;
    return this.#ready().filter(({ link }) => !except?.has(link.status.id)).sort((a, b) => order(rank(a), rank(b)))[0];
  }

  async #oneReady({ signal, timeoutMs = Infinity }: TakeOptions): Promise<void> {
    const members = this.#used().sort((a, b) => Number(a.link.status.virtual) - Number(b.link.status.virtual));
    if (members.length === 0) throw new BoardError('board-absent', 'No board is in use; take one into use, or add one.');
    const enough = new AbortController();
    const until = signal ? AbortSignal.any([signal, enough.signal]) : enough.signal;
    try {
      await Promise.any(members.map((member) => this.#wait(member, until, timeoutMs)));
    } catch (error) {
      throw (error as AggregateError).errors[0];
    } finally {
      enough.abort();
    }
  }

  async #wait(member: Member, signal: AbortSignal | undefined, timeoutMs = Infinity): Promise<void> {
    const { link, message } = member.link.status;
    // Without a message nothing has gone wrong since the board was started or connected to, which somebody may have asked for just now.
    const wait = member.missed && message !== '' ? READY_AGAIN_MS : READY_MS[link];
    try {
      await member.link.ready({ signal, timeoutMs: Math.min(wait, timeoutMs) });
      member.missed = false;
    } catch (error) {
      if (!(error instanceof BoardError && error.code === 'cancelled')) member.missed = true;
      throw error;
    }
  }

  /** Synchronously after the choice: who chooses next counts this one. */
  #lease(member: Member, model: string): Lease | undefined {
    const { link } = member;
    const { client } = link;
    if (!client) return undefined;
    const lost = new AbortController();
    const unsubscribe = link.onStatus(({ state, name, message }) => {
      if (!isUsable(state)) lost.abort(new BoardError('board-unreachable', message || `Board ${name} was lost.`));
    });
    member.leases++;
    let held = true;
    return {
      id: link.status.id,
      name: nameOf(link.status),
      client,
      lost: lost.signal,
      answered: (ms) => {
        const before = member.latency.get(model);
        member.latency.set(model, before === undefined ? ms : before + LAST * (ms - before));
      },
      release: () => {
        if (!held) return;
        held = false;
        member.leases--;
        unsubscribe();
      },
    };
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener(this.statuses);
  }
}

/** A board for people, with where it was reached. */
export const nameOf = ({ virtual, name, address }: BoardStatus): string => (virtual ? `virtual board ${address}` : name === address ? `board ${address}` : `board ${name} (${address})`);
