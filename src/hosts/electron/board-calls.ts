/** The page's calls on boards: what needs a dialog or a secret is done here, the rest is handed on to the processes that talk to boards. */
import { readFile } from 'node:fs/promises';
import type { OpenDialogOptions } from 'electron';
import { addressOf, boardsAt, parseSshAddress } from '../../board/index.ts';
import type { Login } from '../../contract/boards.ts';
import { readKnownBoards } from '../known-boards.ts';
import type { BoardsCalls, Credentials } from './boards-messages.ts';
import { CallFailure } from './failure.ts';
import type { Handlers } from './ipc.ts';
import type { Dialogs } from './model-calls.ts';
import { PickedFiles } from './picked-files.ts';
import type { ProcessClient } from './process-client.ts';
import type { SecretStore } from './secrets.ts';

type What = 'key' | 'publicKey' | 'overlay';
const OPEN: Record<What, OpenDialogOptions> = {
  key: { properties: ['openFile', 'showHiddenFiles'] },
  publicKey: { properties: ['openFile', 'showHiddenFiles'], filters: [{ name: 'SSH', extensions: ['pub'] }, { name: '*', extensions: ['*'] }] },
  overlay: { properties: ['openDirectory'] },
};

export interface BoardWiring {
  dialogs: Pick<Dialogs, 'open'>;
  boards: Pick<ProcessClient<BoardsCalls>, 'call'>;
  secrets: SecretStore;
  /** The file of boards that were trusted. */
  knownFile: string;
}

export function createBoardHandlers({ dialogs, boards, secrets, knownFile }: BoardWiring): Pick<Handlers, 'boards.find' | 'boards.pick' | 'boards.connect' | 'boards.keychain' | 'boards.doctor'> {
  const picked = new PickedFiles<What>();
  const agent = process.env['SSH_AUTH_SOCK'] || undefined;

  /** Everything that is kept for a board. */
  const kept = async (id: string): Promise<Credentials> => {
    const { password, ownKey, keyFile, passphrase } = secrets.of(id);
    if (ownKey !== undefined || keyFile === undefined) return { agent, password, key: ownKey === undefined ? undefined : { text: ownKey } };
    // One that is gone is told by the login that fails.
    return { agent, password, key: await keyOf(keyFile, passphrase).catch(() => undefined) };
  };
  const keyOf = async (path: string, passphrase: string | undefined): Promise<NonNullable<Credentials['key']>> => {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new CallFailure('key-unreadable', `The key ${path} cannot be read (${error.code ?? error.message}); choose it again.`);
    });
    return { text, passphrase };
  };
  const credentialsOf = async (login: Login): Promise<Credentials> => {
    if (login.method === 'password') return { password: login.password };
    return login.method === 'key' ? { key: await keyOf(picked.pathOf(login.keyFile, 'key'), login.passphrase ?? undefined) } : { agent };
  };
  /** What let us in, for the next time. */
  const keep = (id: string, login: Login): void => {
    if (login.method === 'password') secrets.keep(id, { password: login.password }, login.remember);
    if (login.method !== 'key') return;
    secrets.keep(id, { keyFile: picked.pathOf(login.keyFile, 'key') }, true);
    if (login.passphrase !== null) secrets.keep(id, { passphrase: login.passphrase }, login.remember);
  };

  return {
    'boards.find': (request, signal) => boards.call('find', request, signal),
    'boards.pick': async ({ what }) => {
      const path = await dialogs.open(OPEN[what]);
      return { file: path === null ? null : picked.add(what, path) };
    },
    'boards.connect': async ({ login, ...request }, signal) => {
      const here = boardsAt(await readKnownBoards(knownFile), addressOf(parseSshAddress(request.address)));
      const given = login === null ? null : await credentialsOf(login);
      const answer = await boards.call('connect', { ...request, given, kept: Object.fromEntries(await Promise.all(here.map(async ({ id }) => [id, await kept(id)] as const))) }, signal);
      if (answer.state === 'trusted' && login !== null) keep(answer.id, login);
      return answer;
    },
    'boards.keychain': async () => ({ available: secrets.available }),
    'boards.doctor': async ({ id }, signal) => boards.call('doctor', { id, credentials: await kept(id) }, signal),
  };
}
