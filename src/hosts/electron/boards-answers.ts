/** What the boards process answers. Every call opens a connection of its own and closes it: a process that dies takes nothing along but the call. */
import {
  addressOf, BoardError, boardsAt, connectSsh, doctor, execAsRoot, find, fingerprintOf, HostKeyError, LAYOUT, LoginError, logs, parseBoardAddress, parseSshAddress, rollback, uninstall, withBoard,
  type HostKey, type KnownBoard, type KnownBoards, type Session, type SshConnection,
} from '../../board/index.ts';
import type { Connected, DoctorReport, Found } from '../../contract/boards.ts';
import { installBoard, mustBeItself, prepareInstall, PUBLIC_PASSWORD, secureBoard, trustBoard } from '../board-actions.ts';
import { knownBoardsFile, readKnownBoards, writeKnownBoards } from '../known-boards.ts';
import type { Resources } from '../resources.ts';
import type { AtBoard, BoardsCalls, BoardsPlace, Credentials } from './boards-messages.ts';
import { CallFailure } from './failure.ts';
import type { Answers, Emit } from './process-server.ts';

/** Progress of a search is told at most this often (milliseconds), and whenever one more was found. */
const PROGRESS_EVERY = 100;

interface Place extends Pick<BoardsPlace, 'boardRoot' | 'agentPort'> {
  resources: Resources;
}

export function boardsAnswers({ boardRoot, agentPort, resources }: Place, emit: Emit): Answers<BoardsCalls> {
  const file = knownBoardsFile();
  let turn: Promise<unknown> = Promise.resolve();
  /** Reads the pins, and writes what `change` makes of them: one after the other. */
  const changeKnown = <T extends { known: KnownBoards }>(change: (known: KnownBoards) => T | Promise<T>): Promise<T> => {
    const mine = turn.then(async () => {
      const changed = await change(await readKnownBoards(file));
      await writeKnownBoards(file, changed.known);
      return changed;
    });
    turn = mine.catch(() => {});
    return mine;
  };
  /** As it is when its turn comes: it may have been renamed, or have new host keys, since a call began that takes a while. */
  const changeBoard = async (id: string, change: Partial<Pick<KnownBoard, 'name' | 'hostKeys'>>): Promise<void> => {
    await changeKnown((known) => {
      const board = known.boards.find((one) => one.id === id);
      if (!board) throw notTrusted();
      return { known: withBoard(known, { ...board, ...change }) };
    });
  };

  const sessionOf = (ssh: SshConnection, { password }: Credentials, signal: AbortSignal): Session => {
    const layout = boardRoot === undefined ? LAYOUT : { ...LAYOUT, root: boardRoot, serviceUser: ssh.user };
    return { ssh, layout: { ...layout, port: agentPort ?? LAYOUT.port }, sudoPassword: password, signal };
  };
  const boardOf = async (id: string): Promise<{ board: KnownBoard; where: { host: string; port: number } }> => {
    const board = (await readKnownBoards(file)).boards.find((one) => one.id === id);
    const [address] = board?.addresses ?? [];
    if (!board || address === undefined) throw notTrusted();
    return { board, where: parseBoardAddress(address) };
  };
  /** Logged in at a board that was trusted, for as long as `work` goes on. */
  const at = async <T>({ id, credentials }: AtBoard, signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> => {
    const { board, where } = await boardOf(id);
    const ssh = await connectSsh({ ...where, login: { ...credentials, user: board.user }, candidates: [board], signal });
    try {
      return await work(sessionOf(ssh, credentials, signal));
    } finally {
      ssh.close();
    }
  };
  const examined = async (session: Session): Promise<DoctorReport> => {
    const report = await doctor(session);
    mustBeItself(session.ssh, report);
    return report;
  };
  const asRootAt = <T>(request: AtBoard, signal: AbortSignal, work: (session: Session, report: DoctorReport) => Promise<T>): Promise<T> =>
    at(request, signal, async (session) => {
      await mayBeRoot(session);
      return work(session, await examined(session));
    });

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
      const candidates = boardsAt(await readKnownBoards(file), addressOf(where));
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
          const { board, twin } = await changeKnown((known) => trustBoard(sessionOf(ssh, credentials, signal), known, name || null));
          return { state: 'trusted', ...shown(ssh.hostKey), id: board.id, name: board.name, publicPassword: credentials.password === PUBLIC_PASSWORD, twin };
        } finally {
          ssh.close();
        }
      } catch (error) {
        return refusal(error);
      }
    },
    unlock: (request, signal) => at(request, signal, async (session) => {
      if (session.ssh.user !== 'root') await execAsRoot(session.ssh, 'true', session.sudoPassword, { signal });
      return {};
    }),
    doctor: (request, signal) => at(request, signal, examined),
    secure: async ({ choices, ...request }, signal) => {
      const { where } = await boardOf(request.id);
      return at(request, signal, async (session) => {
        if (choices.hostKeys || choices.services || choices.password !== undefined || choices.rootPassword !== undefined) await mayBeRoot(session);
        await examined(session);
        const { user } = session.ssh;
        const done: string[] = [];
        const { fingerprint } = await secureBoard(session, choices, {
          login: (candidates, password) => connectSsh({ ...where, login: password === undefined ? { ...request.credentials, user } : { user, password }, candidates, signal }),
          pin: (hostKeys) => changeBoard(request.id, { hostKeys }),
          tell: (what) => void done.push(what),
        });
        return { done, fingerprint };
      });
    },
    plan: ({ overlay, ...request }, signal) => at(request, signal, async (session) => (await prepareInstall(session, await examined(session), resources.boardBundle, overlay, resources)).plan),
    install: ({ overlay, ...request }, signal) => asRootAt(request, signal, async (session, report) => {
      const prepared = await prepareInstall(session, report, resources.boardBundle, overlay, resources);
      const installed = await installBoard(session, prepared, resources, (event) => emit('boards.step', { ...event, board: request.id }));
      return { ...installed, previous: report.installed === installed.version ? report.previous : report.installed };
    }),
    rollback: (request, signal) => asRootAt(request, signal, async (session, report) => ({ version: await rollback(session, report), previous: report.installed })),
    uninstall: (request, signal) => asRootAt(request, signal, async (session, report) => {
      await uninstall(session, report);
      return {};
    }),
    logs: (request, signal) => asRootAt(request, signal, async (session, report) => ({ text: await logs(session, report) })),
    rename: async ({ id, name }) => {
      await changeBoard(id, { name });
      return {};
    },
    forget: async ({ id }) => {
      await changeKnown((known) => ({ known: { ...known, boards: known.boards.filter((one) => one.id !== id) } }));
      return {};
    },
  };
}

const notTrusted = (): BoardError => new BoardError('bad-request', 'This board is not trusted any more, or its address belongs to another: find it again, and connect.');

/** Before anything is done: a password that is not known is asked for, unless sudo wants none. */
async function mayBeRoot({ ssh, sudoPassword, signal }: Session): Promise<void> {
  if (ssh.user === 'root') return;
  try {
    await execAsRoot(ssh, 'true', sudoPassword, { signal });
  } catch (error) {
    if (sudoPassword !== undefined || !(error instanceof BoardError) || error.code !== 'unauthorised') throw error;
    throw new CallFailure('needs-password', `Board ${ssh.address}: this needs the password of '${ssh.user}' for sudo.`);
  }
}

const shown = (key: HostKey): { algorithm: string; fingerprint: string } => ({ algorithm: key.algorithm, fingerprint: fingerprintOf(key) });

/** What a person can decide on is an answer; the rest is a failure. */
function refusal(error: unknown): Connected {
  if (error instanceof LoginError) return { state: 'login', ...shown(error.hostKey), tried: [...error.tried] };
  if (!(error instanceof HostKeyError)) throw error;
  if (error.pinned.length === 0) return { state: 'unknown', ...shown(error.hostKey) };
  return { state: 'changed', ...shown(error.hostKey), pinned: error.pinned.map(({ board, key }) => ({ name: board.name, ...shown(key) })) };
}
