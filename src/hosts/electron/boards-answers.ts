/** What the boards process answers. Every call opens a connection of its own and closes it: a process that dies takes nothing along but the call. */
import { addressOf, BoardError, boardsAt, connectSsh, doctor, find, fingerprintOf, HostKeyError, LAYOUT, LoginError, parseBoardAddress, parseSshAddress, type HostKey, type Session, type SshConnection } from '../../board/index.ts';
import type { Connected, Found } from '../../contract/boards.ts';
import { mustBeItself, PUBLIC_PASSWORD, trustBoard } from '../board-actions.ts';
import { knownBoardsFile, readKnownBoards, writeKnownBoards } from '../known-boards.ts';
import type { BoardsCalls, BoardsPlace, Credentials } from './boards-messages.ts';
import type { Answers, Emit } from './process-server.ts';

/** Progress of a search is told at most this often (milliseconds), and whenever one more was found. */
const PROGRESS_EVERY = 100;

export function boardsAnswers({ boardRoot, agentPort }: Pick<BoardsPlace, 'boardRoot' | 'agentPort'>, emit: Emit): Answers<BoardsCalls> {
  const file = knownBoardsFile();
  const sessionOf = (ssh: SshConnection, { password }: Credentials, signal: AbortSignal): Session => {
    const layout = boardRoot === undefined ? LAYOUT : { ...LAYOUT, root: boardRoot, serviceUser: ssh.user };
    return { ssh, layout: { ...layout, port: agentPort ?? LAYOUT.port }, sudoPassword: password, signal };
  };

  /** Logged in at a board that was trusted, for as long as `work` goes on. */
  const at = async <T>({ id, credentials }: BoardsCalls['doctor']['request'], signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> => {
    const board = (await readKnownBoards(file)).boards.find((one) => one.id === id);
    const [address] = board?.addresses ?? [];
    if (!board || address === undefined) throw new BoardError('bad-request', 'This board is not trusted any more, or its address belongs to another: find it again, and connect.');
    const ssh = await connectSsh({ ...parseBoardAddress(address), login: { ...credentials, user: board.user }, candidates: [board], signal });
    try {
      return await work(sessionOf(ssh, credentials, signal));
    } finally {
      ssh.close();
    }
  };

  return {
    find: async ({ where }, signal) => {
      let told = { at: 0, found: 0 };
      const onProgress = (found: readonly Found[], done: number, total: number): void => {
        const now = Date.now();
        if (found.length === told.found && done < total && now - told.at < PROGRESS_EVERY) return;
        told = { at: now, found: found.length };
        emit('boards.found', { found: [...found], done, total });
      };
      const found = await find(where ?? undefined, { known: await readKnownBoards(file), signal, onProgress });
      if (signal.aborted) throw new BoardError('cancelled', 'The search was cancelled.');
      return { found };
    },
    connect: async ({ address: typed, user, given, kept, accept, name }, signal) => {
      const where = parseSshAddress(typed);
      const known = await readKnownBoards(file);
      const candidates = boardsAt(known, addressOf(where));
      const open = (credentials: Credentials): Promise<SshConnection> => connectSsh({ ...where, login: { ...credentials, user }, candidates, accept: accept ?? undefined, signal });
      try {
        // Of several boards that were here, the host key says which it is: none is offered what another one's lock takes.
        let credentials = given ?? (candidates.length === 1 ? kept[candidates[0]!.id] : undefined) ?? {};
        const ssh = await open(credentials).catch((error: unknown) => {
          const own = error instanceof LoginError && error.board !== undefined && given === null && candidates.length > 1 ? kept[error.board.id] : undefined;
          if (own === undefined) throw error;
          credentials = own;
          return open(own);
        });
        try {
          const trusted = await trustBoard(sessionOf(ssh, credentials, signal), known, name || null);
          await writeKnownBoards(file, trusted.known);
          return { state: 'trusted', ...shown(ssh.hostKey), id: trusted.board.id, name: trusted.board.name, publicPassword: credentials.password === PUBLIC_PASSWORD, twin: trusted.twin };
        } finally {
          ssh.close();
        }
      } catch (error) {
        return refusal(error);
      }
    },
    doctor: (request, signal) => at(request, signal, async (session) => {
      const report = await doctor(session);
      mustBeItself(session.ssh, report);
      return report;
    }),
  };
}

const shown = (key: HostKey): { algorithm: string; fingerprint: string } => ({ algorithm: key.algorithm, fingerprint: fingerprintOf(key) });

/** What a person can decide on is an answer; the rest is a failure. */
function refusal(error: unknown): Connected {
  if (error instanceof LoginError) return { state: 'login', ...shown(error.hostKey), tried: [...error.tried] };
  if (!(error instanceof HostKeyError)) throw error;
  if (error.pinned.length === 0) return { state: 'unknown', ...shown(error.hostKey) };
  return { state: 'changed', ...shown(error.hostKey), pinned: error.pinned.map(({ board, key }) => ({ name: board.name, ...shown(key) })) };
}
