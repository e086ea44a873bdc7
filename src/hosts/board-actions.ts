/** What the command line and the window do with a board: values in, events out, BoardError where it fails. Who asks, and who keeps pins and secrets, is the caller. */
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import {
  agentClient, BoardError, fingerprintOf, install, installPlan, obstacles, readBoardId, readToken, secure, status, withBoard,
  type HostKey, type InstallEvent, type KnownBoard, type KnownBoards, type PlanInput, type SecureScripts, type Session, type SshConnection,
} from '../board/index.ts';
import type { DoctorReport, Installed, Plan } from '../contract/boards.ts';
import { goldenVectors } from './golden-vectors.ts';
import { readOverlayFolder } from './overlay-folder.ts';
import type { Resources } from './resources.ts';

/** Of every PYNQ image, for the user and for root. */
export const PUBLIC_PASSWORD = 'xilinx';

export interface Trusted {
  /** With the board in it; the caller's to write. */
  known: KnownBoards;
  board: KnownBoard;
  /** Name of another board that shows the same host key: their cards were written from one image. */
  twin: string | null;
}

/** Pins the key that `ssh` was let in by, under the id that the board has, else one made now. `name` null: as it was called, or its address. */
export async function trustBoard({ ssh, layout }: Pick<Session, 'ssh' | 'layout'>, known: KnownBoards, name: string | null): Promise<Trusted> {
  const id = await readBoardId(ssh, layout) ?? ssh.board?.id ?? randomBytes(16).toString('hex');
  const { address } = ssh;
  const before = known.boards.find((one) => one.id === id);
  const others = known.boards.map((one) => (one.id === id ? one : { ...one, addresses: one.addresses.filter((word) => word !== address) }));
  const board = { id, name: name ?? before?.name ?? address, user: ssh.user, addresses: [address, ...(before?.addresses ?? []).filter((word) => word !== address)], hostKeys: [ssh.hostKey] };
  const twin = known.boards.find((one) => one.id !== id && one.hostKeys.some(({ blob }) => blob === ssh.hostKey.blob));
  return { known: withBoard({ ...known, boards: others }, board), board, twin: twin?.name ?? null };
}

/** Cards of one image may share a host key: the id, which an installation wrote, tells their boards apart. Throws where it is another than the pinned one. */
export function mustBeItself(ssh: SshConnection, report: Pick<DoctorReport, 'boardId'>): void {
  if (!ssh.board || report.boardId === '' || report.boardId === ssh.board.id) return;
  throw new BoardError('host-key', `Board ${ssh.address} has the host key of '${ssh.board.name}' and is another board (${report.boardId}): both still have their image's keys. Trust it, then give it its own: npx fabriclens board secure HOST --new-host-keys.`);
}

export interface SecureCaller {
  /** Another connection to the same board, pinned by `candidates`; by that password alone (no key, no agent) where one is given. */
  login: (candidates: KnownBoard[], password?: string) => Promise<SshConnection>;
  /** Remembers these host keys as the board's; what it resolves with is on the disk. */
  pin: (hostKeys: HostKey[]) => Promise<void>;
  tell: (what: string) => void;
}

/**
 * Does what is chosen, telling each when it is done; the login's password last, so that it is the new one exactly where this resolves (`session` has it then). `fingerprint`: of
 * the new host key that is shown and pinned now, null where there are no new ones.
 */
export async function secureBoard(session: Session, choices: SecureScripts, { login, pin, tell }: SecureCaller): Promise<{ fingerprint: string | null }> {
  const board = session.ssh.board!;
  const shown = await secure(session, choices, {
    login: (hostKeys, password) => login([{ ...board, hostKeys: [...hostKeys] }], password),
    pin: (hostKeys) => pin([...hostKeys]),
    tell,
  });
  return { fingerprint: choices.hostKeys ? fingerprintOf(shown) : null };
}

export interface PreparedInstall {
  plan: Plan;
  /** Its bundle's file. */
  path: string;
  input: PlanInput & { bundle: Uint8Array };
}

/** What an installation would do to the board of `report`; changes nothing. `bundle`: a file of `npm run build:board`. `overlay`: folder of one to import; null: the one that is there, or none. */
export async function prepareInstall({ ssh, layout, signal }: Session, report: DoctorReport, bundle: string, overlay: string | null, resources: Resources): Promise<PreparedInstall> {
  const bytes = await readFile(bundle).catch((error: Error) => { throw new BoardError('bad-request', `There is no bundle at ${bundle} (${error.message}); make it with: npm run build:board`); });
  const version = `${(/(\d+\.\d+\.\d+)/.exec(basename(bundle))?.[1] ?? resources.version)}-${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}`;
  const { systemd, python, home, installed, previous } = report;
  const kept = report.overlay === '' ? undefined : { sha256: report.overlay, files: undefined };
  const input = {
    overlay: overlay === null ? kept : await readOverlayFolder(overlay, resources, signal),
    layout, systemd, python, home, user: ssh.user, version, bundle: bytes, bundleBytes: bytes.length, boardId: ssh.board!.id,
  };
  const steps = installPlan(input).map(({ id, title, as, why }) => ({ id, title, as, why }));
  return { plan: { version, installed, previous, steps, obstacles: obstacles(report) }, path: bundle, input };
}

/** Carries the plan out; refused while it has obstacles. */
export async function installBoard(session: Session, { plan, path, input }: PreparedInstall, resources: Resources, onEvent: (event: InstallEvent) => void): Promise<Installed> {
  if (plan.obstacles.length > 0) throw new BoardError('bad-request', `Board ${session.ssh.address} is not ready for it: ${plan.obstacles.map(({ what, mend }) => `${what} (${mend})`).join('; ')}.`);
  const vectors = await goldenVectors(path, resources, session.signal);
  const selfTests = await install(session, { ...input, vectors, onEvent });
  return { version: plan.version, selfTests };
}

export interface BoardState {
  /** As systemd says it; `not installed` where there is nothing of ours. */
  active: string;
  version: string;
  previous: string;
  /** Those that it serves. */
  models: string[];
  /** Why its agent does not answer; empty where it does. */
  problem: string;
}

export async function boardState(session: Session, report: DoctorReport): Promise<BoardState> {
  const { ssh, layout, signal } = session;
  const { previous } = report;
  if (report.installed === '') return { active: 'not installed', version: '', previous, models: [], problem: '' };
  const service = await status(session, report);
  const client = agentClient(ssh, layout.port, await readToken(ssh));
  try {
    await client.ready({ signal });
    const models = ((await client.repositoryIndex({ signal })) ?? []).filter(({ state }) => state === 'READY').map((one) => one.name);
    return { ...service, previous, models, problem: '' };
  } catch (error) {
    return { ...service, previous, models: [], problem: (error as Error).message };
  } finally {
    client.close();
  }
}
