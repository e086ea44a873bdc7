/** `fabriclens board …`: from a board that was switched on to one that answers, and back. */
import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import {
  addressOf, BoardError, boardsAt, connectSsh, doctor, find, fingerprintOf, HostKeyError, install, installPlan, LAYOUT, logs, obstacles, OipClient, readBoardId, readToken, reportText, rollback, secure, status, uninstall, withBoard,
  type DoctorReport, type KnownBoards, type Session, type SshConnection, type StepEvent,
} from '../../board/index.ts';
import { goldenVectors } from '../golden-vectors.ts';
import { knownBoardsFile, readKnownBoards, writeKnownBoards } from '../known-boards.ts';
import type { Resources } from '../resources.ts';
import { ask, firstLineOfStdin } from './ask.ts';
import { UsageError, type BoardCommand } from './options.ts';
import { EXIT, plain, type Terminal } from './terminal.ts';

/** Of every PYNQ image, for the user and for root. */
const PUBLIC_PASSWORD = 'xilinx';

export async function board(command: BoardCommand, resources: Resources, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const say = (text: string): void => void terminal.stdout.write(plain(text));
  if (command.action === 'find') return await search(command, say, signal);
  const secrets = { password: command.passwordStdin ? await firstLineOfStdin() : undefined };
  const { ssh, known, file } = await open(command, secrets, terminal, signal);
  try {
    const layout = command.root === undefined ? LAYOUT : { ...LAYOUT, root: command.root, serviceUser: ssh.user };
    const session: Session = { ssh, layout: { ...layout, port: command.agentPort ?? LAYOUT.port }, sudoPassword: secrets.password, signal };
    if (command.action === 'trust') return await trust(command, session, known, file, secrets, say);
    if (NEEDS_ROOT.has(command.action) && ssh.user !== 'root') session.sudoPassword ??= await ask(`Password of ${ssh.user} for sudo on ${ssh.address}: `, true, terminal.stderr);
    if (command.action === 'secure') return await harden(command, session, known, file, secrets.password, say);
    const report = await doctor(session);
    // Cards of one image may share a host key: the id, which an installation wrote, tells their boards apart.
    if (ssh.board && report.boardId !== '' && report.boardId !== ssh.board.id) {
      throw new BoardError('host-key', `Board ${ssh.address} has the host key of '${ssh.board.name}' and is another board (${report.boardId}): both still have their image's keys. Trust it, then give it its own: npx fabriclens board secure HOST --new-host-keys.`);
    }
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

type Opened = { ssh: SshConnection; known: KnownBoards; file: string };

/** Logged in, with a host key that is pinned or that somebody accepted just now (`trust` alone asks). */
async function open(command: BoardCommand, secrets: { password: string | undefined }, { stderr }: Terminal, signal: AbortSignal): Promise<Opened> {
  const { host, port, user, identity, action } = command;
  const file = knownBoardsFile();
  const known = await readKnownBoards(file);
  const key = identity === undefined ? undefined : { text: await readFile(identity, 'utf8') };
  let accept = action === 'trust' ? command.fingerprint : undefined;
  for (;;) {
    try {
      const login = { user, key, agent: process.env['SSH_AUTH_SOCK'] || undefined, password: secrets.password };
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

async function trust({ user, name }: BoardCommand, { ssh, layout }: Session, known: KnownBoards, file: string, { password }: { password: string | undefined }, say: (text: string) => void): Promise<number> {
  const id = await readBoardId(ssh, layout) ?? ssh.board?.id ?? randomBytes(16).toString('hex');
  const { address } = ssh;
  const before = known.boards.find((one) => one.id === id);
  const others = known.boards.map((one) => (one.id === id ? one : { ...one, addresses: one.addresses.filter((word) => word !== address) }));
  await writeKnownBoards(file, withBoard({ ...known, boards: others }, { id, name: name ?? before?.name ?? address, user, addresses: [address, ...(before?.addresses ?? []).filter((word) => word !== address)], hostKeys: [ssh.hostKey] }));
  say(`${address} is trusted as ${id}: ${ssh.hostKey.algorithm} ${fingerprintOf(ssh.hostKey)}\n`);
  const twin = known.boards.find((one) => one.id !== id && one.hostKeys.some(({ blob }) => blob === ssh.hostKey.blob));
  if (twin) say(`It has the host key of '${twin.name}': their cards were written from one image. Give each its own: npx fabriclens board secure HOST --new-host-keys\n`);
  if (password === PUBLIC_PASSWORD) say(`Its password is the one of every PYNQ image, and root's is the same. Change both: passwd; sudo passwd root\n`);
  return EXIT.ok;
}

/** The new host keys are pinned only after a login that they let through. */
async function harden(command: BoardCommand, session: Session, known: KnownBoards, file: string, password: string | undefined, say: (text: string) => void): Promise<number> {
  const { ssh } = session;
  const key = command.addKey === undefined ? undefined : await readFile(command.addKey, 'utf8');
  const keys = await secure(session, { key, hostKeys: command.newHostKeys, services: command.servicesOff }, (what) => say(`done     ${what}\n`));
  if (keys.length === 0) return EXIT.ok;
  const changed = { ...ssh.board!, hostKeys: keys };
  const identity = command.identity === undefined ? undefined : { text: await readFile(command.identity, 'utf8') };
  const again = await connectSsh({ host: command.host!, port: command.port, login: { user: command.user, key: identity, agent: process.env['SSH_AUTH_SOCK'] || undefined, password }, candidates: [changed], signal: session.signal });
  again.close();
  await writeKnownBoards(file, withBoard(known, changed));
  say(`${ssh.address} shows ${again.hostKey.algorithm} ${fingerprintOf(again.hostKey)} now, and is pinned by it\n`);
  return EXIT.ok;
}

async function put(command: BoardCommand, session: Session, report: DoctorReport, resources: Resources, say: (text: string) => void): Promise<number> {
  const { ssh, layout, signal } = session;
  const stop = obstacles(report);
  if (stop.length > 0) throw new BoardError('bad-request', `Board ${ssh.address} is not ready for it: ${stop.map(({ what, mend }) => `${what} (${mend})`).join('; ')}.`);
  const path = command.bundle ?? resources.boardBundle;
  const bundle = await readFile(path).catch((error: Error) => { throw new UsageError(`There is no bundle at ${path} (${error.message}); make it with: npm run build:board`); });
  const version = `${(/(\d+\.\d+\.\d+)/.exec(basename(path))?.[1] ?? resources.version)}-${createHash('sha256').update(bundle).digest('hex').slice(0, 12)}`;
  const input = { layout, systemd: report.systemd, python: report.python, home: report.home, user: ssh.user, version, bundleBytes: bundle.length, boardId: ssh.board!.id };
  for (const { id, as, title, why } of installPlan(input)) say(`  ${id.padEnd(10)} ${as.padEnd(6)} ${title}${as === 'root' ? ` (root: ${why})` : ''}\n`);
  if (command.plan) return EXIT.ok;
  const vectors = await goldenVectors(path, resources, signal!);
  const onEvent = (event: StepEvent): void => {
    if (command.json && event.type !== 'progress') say(`${JSON.stringify({ type: event.type, step: event.step.id, ...(event.type === 'end' ? { result: event.result, ms: Math.round(event.ms) } : {}) })}\n`);
    else if (event.type === 'end') say(`${event.result === 'already' ? 'already ' : 'done    '} ${event.step.id}${event.result === 'done' ? ` in ${(event.ms / 1000).toFixed(1)} s` : ''}\n`);
  };
  await install(session, { ...input, bundle, vectors, onEvent });
  say(`${ssh.address} runs ${version}; ${vectors.length} model${vectors.length === 1 ? '' : 's'} answered as the golden model does\n`);
  return EXIT.ok;
}

async function tell({ ssh, layout, signal }: Session, report: DoctorReport, { json }: BoardCommand, say: (text: string) => void): Promise<number> {
  const service = report.installed === '' ? { active: 'not installed', version: '' } : await status({ ssh, layout, sudoPassword: undefined, signal }, report);
  let models: string[] = [];
  let problem = '';
  if (report.installed !== '') {
    const client = new OipClient({ host: ssh.address, port: layout.port, token: await readToken(ssh), connect: () => ssh.stream(layout.port) });
    try {
      await client.ready({ signal });
      models = ((await client.repositoryIndex({ signal })) ?? []).filter(({ state }) => state === 'READY').map((one) => one.name);
    } catch (error) {
      problem = (error as Error).message;
    } finally {
      client.close();
    }
  }
  say(json ? `${JSON.stringify({ address: ssh.address, ...service, previous: report.previous, models, problem })}\n`
    : `${ssh.address}: ${service.active}${service.version ? `, version ${service.version}` : ''}${report.previous ? `, before it ${report.previous}` : ''}\n${models.length > 0 ? `models: ${models.join(', ')}\n` : ''}${problem ? `${problem}\n` : ''}`);
  return service.active === 'active' && problem === '' ? EXIT.ok : EXIT.someFailed;
}
