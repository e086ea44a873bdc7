/** `fabriclens board …`: from a board that was switched on to one that answers, and back. */
import { readFile, writeFile } from 'node:fs/promises';
import {
  addressOf, BoardError, boardsAt, connectSsh, doctor, find, fingerprintOf, HostKeyError, LAYOUT, logs, obstacles, reportText, rollback, uninstall, withBoard,
  type InstallEvent, type KnownBoards, type Login, type Session, type SshConnection,
} from '../../board/index.ts';
import type { DoctorReport } from '../../contract/boards.ts';
import { boardState, installBoard, mustBeItself, prepareInstall, PUBLIC_PASSWORD, secureBoard, trustBoard } from '../board-actions.ts';
import { knownBoardsFile, readKnownBoards, writeKnownBoards } from '../known-boards.ts';
import type { Resources } from '../resources.ts';
import { ask, linesOfStdin } from './ask.ts';
import { UsageError, type BoardCommand } from './options.ts';
import { EXIT, plain, type Terminal } from './terminal.ts';

export async function board(command: BoardCommand, resources: Resources, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const say = (text: string): void => void terminal.stdout.write(plain(text));
  if (command.action === 'find') return await search(command, say, signal);
  const given = command.passwordStdin ? await linesOfStdin(command.newPasswords ? 3 : 1) : undefined;
  const secrets: Secrets = { password: given?.[0], more: given?.slice(1) };
  const { ssh, known, file } = await open(command, secrets, terminal, signal);
  try {
    const layout = command.root === undefined ? LAYOUT : { ...LAYOUT, root: command.root, serviceUser: ssh.user };
    const session: Session = { ssh, layout: { ...layout, port: command.agentPort ?? LAYOUT.port }, sudoPassword: secrets.password, signal };
    if (command.action === 'trust') return await trust(command, session, known, file, secrets, say);
    if (NEEDS_ROOT.has(command.action) && ssh.user !== 'root') session.sudoPassword ??= await ask(`Password of ${ssh.user} for sudo on ${ssh.address}: `, true, terminal.stderr);
    if (command.action === 'secure') return await harden(command, session, known, file, secrets, terminal, say);
    const report = await doctor(session);
    mustBeItself(ssh, report);
    switch (command.action) {
      case 'doctor':
        if (command.out !== undefined) await writeFile(command.out, `${JSON.stringify(report, null, 2)}\n`);
        say(command.json ? `${JSON.stringify(report)}\n` : reportText(report));
        return obstacles(report).length > 0 ? EXIT.someFailed : EXIT.ok;
      case 'install':
      case 'update':
        return await put(command, session, report, resources, say);
      case 'rollback':
        say(`${ssh.address} runs ${await rollback(session, report)} again\n`);
        return EXIT.ok;
      case 'uninstall':
        await uninstall(session, report);
        say(`${ssh.address}: nothing of FabricLens is left\n`);
        return EXIT.ok;
      case 'logs':
        say(await logs(session, report));
        return EXIT.ok;
      case 'status':
        return await tell(session, report, command, say);
    }
  } finally {
    ssh.close();
  }
}

const NEEDS_ROOT: ReadonlySet<string> = new Set(['secure', 'install', 'update', 'rollback', 'uninstall', 'logs']);

async function search({ host, json }: BoardCommand, say: (text: string) => void, signal: AbortSignal): Promise<number> {
  const known = await readKnownBoards(knownBoardsFile());
  const found = await find(host, { known, signal });
  for (const one of found) say(json ? `${JSON.stringify(one)}\n` : `${one.address.padEnd(24)} ${one.sure.padEnd(9)} ${one.evidence.join('; ')}\n`);
  if (found.length === 0 && !json) say('Nothing answered. Is the board switched on, the cable in, and this computer in its network (192.168.2.x for a direct cable)?\n');
  return found.length > 0 ? EXIT.ok : EXIT.someFailed;
}

const loginOf = async ({ user, identity }: BoardCommand, password: string | undefined): Promise<Login> =>
  ({ user, key: identity === undefined ? undefined : { text: await readFile(identity, 'utf8') }, agent: process.env['SSH_AUTH_SOCK'] || undefined, password });

/** `more`: what follows the password on stdin. */
interface Secrets { password: string | undefined; more: string[] | undefined }
type Opened = { ssh: SshConnection; known: KnownBoards; file: string };

/** Logged in, with a host key that is pinned or that somebody accepted just now (`trust` alone asks). */
async function open(command: BoardCommand, secrets: Secrets, { stderr }: Terminal, signal: AbortSignal): Promise<Opened> {
  const { host, port, user, action } = command;
  const file = knownBoardsFile();
  const known = await readKnownBoards(file);
  let accept = action === 'trust' ? command.fingerprint : undefined;
  for (;;) {
    try {
      const login = await loginOf(command, secrets.password);
      return { ssh: await connectSsh({ host: host!, port, login, candidates: boardsAt(known, addressOf({ host: host!, port })), accept, signal }), known, file };
    } catch (error) {
      if (error instanceof HostKeyError && action === 'trust' && accept === undefined) {
        stderr.write(plain(`${error.message}\n`));
        if ((await ask('Type "yes" if it is the same there: ', false, stderr)) !== 'yes') throw new UsageError(`Nothing was trusted. Without a terminal, name the key that you have compared: --fingerprint ${error.shown}`);
        accept = error.shown;
      } else if (error instanceof BoardError && error.code === 'unauthorised' && secrets.password === undefined) {
        secrets.password = await ask(`Password of ${user} on ${host}: `, true, stderr);
        if (secrets.password === undefined) throw error;
      } else throw error;
    }
  }
}

async function trust({ name }: BoardCommand, session: Session, known: KnownBoards, file: string, { password }: Secrets, say: (text: string) => void): Promise<number> {
  const { address } = session.ssh;
  const trusted = await trustBoard(session, known, name ?? null);
  await writeKnownBoards(file, trusted.known);
  say(`${address} is trusted as ${trusted.board.id}: ${session.ssh.hostKey.algorithm} ${fingerprintOf(session.ssh.hostKey)}\n`);
  if (trusted.twin !== null) say(`It has the host key of '${trusted.twin}': their cards were written from one image. Give each its own: npx fabriclens board secure HOST --new-host-keys\n`);
  if (password === PUBLIC_PASSWORD) say(`Its password is the one of every PYNQ image, and root's is the same. Change both: npx fabriclens board secure HOST --new-passwords\n`);
  return EXIT.ok;
}

async function harden(command: BoardCommand, session: Session, known: KnownBoards, file: string, secrets: Secrets, terminal: Terminal, say: (text: string) => void): Promise<number> {
  const { host, port, user } = command;
  const key = command.addKey === undefined ? undefined : await readFile(command.addKey, 'utf8');
  const passwords = command.newPasswords ? await newPasswords(user, secrets, terminal) : {};
  const { fingerprint } = await secureBoard(session, { key, hostKeys: command.newHostKeys, services: command.servicesOff, ...passwords }, {
    login: async (candidates, password) =>
      connectSsh({ host: host!, port, login: password === undefined ? await loginOf(command, secrets.password) : { user, password }, candidates, signal: session.signal }),
    pin: (hostKeys) => writeKnownBoards(file, withBoard(known, { ...session.ssh.board!, hostKeys })),
    tell: (what) => say(`done     ${what}\n`),
  });
  if (fingerprint !== null) say(`${session.ssh.address} shows ${fingerprint} now, and is pinned by it\n`);
  return EXIT.ok;
}

/** Typed twice on a terminal, else the second and third line of stdin: never printed, because terminals keep what they showed. An empty one leaves a password as it is. */
async function newPasswords(user: string, { more }: Secrets, { stderr }: Terminal): Promise<{ password?: string; rootPassword?: string }> {
  const type = async (of: string): Promise<string> => {
    const first = await ask(`New password of ${of} (8 characters or more; empty: as it is): `, true, stderr);
    if (first === undefined) throw new UsageError('New passwords are typed on a terminal, or follow the present one on stdin, a line each: --password-stdin.');
    if (first !== '' && await ask('The same again: ', true, stderr) !== first) throw new UsageError('Those were not the same; nothing was changed.');
    return first;
  };
  const own = more ? more[0] ?? '' : await type(user);
  const root = user === 'root' ? '' : more ? more[1] ?? '' : await type('root');
  if (own === '' && root === '') throw new UsageError('No new password was given; nothing was changed.');
  return { ...(own === '' ? {} : { password: own }), ...(root === '' ? {} : { rootPassword: root }) };
}

async function put(command: BoardCommand, session: Session, report: DoctorReport, resources: Resources, say: (text: string) => void): Promise<number> {
  const prepared = await prepareInstall(session, report, command.bundle ?? resources.boardBundle, command.overlay ?? null, resources);
  for (const { id, as, title, why } of prepared.plan.steps) say(`  ${id.padEnd(10)} ${as.padEnd(6)} ${title}${as === 'root' ? ` (root: ${why})` : ''}\n`);
  for (const { what, mend } of prepared.plan.obstacles) say(`  STOP       ${what} – ${mend}\n`);
  if (command.plan) return prepared.plan.obstacles.length > 0 ? EXIT.someFailed : EXIT.ok;
  const onEvent = (event: InstallEvent): void => {
    if (event.state === 'running' && event.fraction !== null) return;
    const { step, state, message } = event;
    const ms = Math.round(event.ms);
    if (command.json) say(`${JSON.stringify({ type: 'step', step, state, ms, message })}\n`);
    else if (state !== 'running') say(`${state.padEnd(8)} ${step}${state === 'already' ? '' : ` in ${(ms / 1000).toFixed(1)} s`}\n${message === '' || state === 'failed' ? '' : `         ${message.split('\n').at(-1)}\n`}`);
  };
  const { version, selfTests } = await installBoard(session, prepared, resources, onEvent);
  if (command.json) say(`${JSON.stringify({ type: 'installed', version, selfTests })}\n`);
  else say(`${session.ssh.address} runs ${version}\n${selfTests.map(({ backend, models, vectors }) => `${vectors} vector${vectors === 1 ? '' : 's'} of ${models.join(', ')} answered through ${backend} as the golden model does\n`).join('')}`);
  return EXIT.ok;
}

async function tell(session: Session, report: DoctorReport, { json }: BoardCommand, say: (text: string) => void): Promise<number> {
  const { address } = session.ssh;
  const state = await boardState(session, report);
  const { active, version, previous, models, problem } = state;
  say(json ? `${JSON.stringify({ address, ...state })}\n`
    : `${address}: ${active}${version ? `, version ${version}` : ''}${previous ? `, before it ${previous}` : ''}\n${models.length > 0 ? `models: ${models.join(', ')}\n` : ''}${problem ? `${problem}\n` : ''}`);
  return active === 'active' && problem === '' ? EXIT.ok : EXIT.someFailed;
}
