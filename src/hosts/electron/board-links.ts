/** The review process's boards: the links that the main process asks for, beside the virtual board. */
import { addressOf, BoardPool, connectBoard, isUsable, type BoardLink, type KnownBoard, type OipClient } from '../../board/index.ts';
import type { BoardStatus } from '../../contract/ipc.ts';
import { trustedBoardLink } from '../trusted-board.ts';
import type { Credentials } from './boards-messages.ts';

/** Secrets come with it, and stay in the review process's memory while the link lives. */
export type LinkSpec = { id: string; name: string; use: boolean; host: string; port: number } & (
  | { link: 'ssh'; board: KnownBoard; credentials: Credentials; agentPort: number; installed: string; previous: string }
  | { link: 'direct'; token: string | undefined; certificateSha256: string | undefined }
);

export class BoardLinks {
  readonly pool: BoardPool;
  readonly #specs = new Map<string, LinkSpec>();
  readonly #tell: (boards: BoardStatus[]) => void;

  constructor(virtual: BoardLink, tell: (boards: BoardStatus[]) => void) {
    this.pool = new BoardPool([virtual]);
    this.#tell = tell;
    this.pool.onStatus(() => tell(this.statuses));
    this.pool.start();
  }

  get statuses(): BoardStatus[] {
    return this.pool.statuses.map((status) => {
      const spec = this.#specs.get(status.id);
      // Of its SSH server, which is where the page connects to it again; the agent's port is on its loopback.
      const address = spec ? addressOf(spec) : status.address;
      return spec?.link === 'ssh' ? { ...status, address, ssh: { user: spec.board.user, installed: spec.installed, previous: spec.previous } } : { ...status, address };
    });
  }

  /** A link whose connection is as it was goes on; `useVirtual`: whether requests may go to the virtual board. */
  set(specs: readonly LinkSpec[], useVirtual: boolean): void {
    this.pool.use('virtual', useVirtual);
    for (const id of [...this.#specs.keys()]) {
      if (specs.some((spec) => spec.id === id)) continue;
      this.#specs.delete(id);
      void this.pool.remove(id);
    }
    for (const spec of specs) {
      const before = this.#specs.get(spec.id);
      this.#specs.set(spec.id, spec);
      if (before && connectionOf(before) === connectionOf(spec)) this.pool.use(spec.id, spec.use);
      else void this.pool.add(linkOf(spec), spec.use);
    }
    this.#tell(this.statuses);
  }

  /** Boards in use that take requests: real ones, where there are any. */
  targets(): BoardLink[] {
    const usable = this.pool.statuses.filter(({ use, state }) => use && isUsable(state));
    const real = usable.filter(({ virtual }) => !virtual);
    return (real.length > 0 ? real : usable).map(({ id }) => this.pool.get(id)!);
  }

  /** Clients of all boards that take requests and serve this model. */
  serving(model: string): OipClient[] {
    return this.pool.statuses.filter(({ models }) => models.includes(model)).flatMap(({ id }) => this.pool.get(id)?.client ?? []);
  }
}

/** What a link cannot change while it lives. */
const connectionOf = (spec: LinkSpec): string => JSON.stringify({ ...spec, use: true, installed: '', previous: '' });

function linkOf(spec: LinkSpec): BoardLink {
  if (spec.link === 'ssh') return trustedBoardLink(spec.board, { ...spec.credentials, user: spec.board.user }, spec.agentPort);
  const { id, name, host, port, token, certificateSha256 } = spec;
  return connectBoard({ id, name, host, port, token, certificateSha256 });
}
