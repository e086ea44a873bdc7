/** The page's calls on boards: what needs a dialog or a secret is done here, the rest is handed on to the processes that talk to boards. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { OpenDialogOptions } from 'electron';
import { addressOf, boardsAt, LAYOUT, makeLoginKey, parseBoardAddress, parseSshAddress, publicLineOf, type SecureScripts } from '../../board/index.ts';
import type { Login, SecureChoices } from '../../contract/boards.ts';
import { readKnownBoards } from '../known-boards.ts';
import type { LinkSpec } from './board-links.ts';
import type { BoardStateFile } from './board-state.ts';
import type { BoardsCalls, Credentials } from './boards-messages.ts';
import { CallFailure } from './failure.ts';
import type { Handlers } from './ipc.ts';
import type { Dialogs } from './model-calls.ts';
import { PickedFiles } from './picked-files.ts';
import type { ProcessClient } from './process-client.ts';
import type { ReviewCalls } from './review-messages.ts';
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
  review: Pick<ProcessClient<ReviewCalls>, 'call'>;
  secrets: SecretStore;
  state: BoardStateFile;
  /** The file of boards that were trusted. */
  knownFile: string;
  /** Of the agent, on a board's loopback. */
  agentPort: number | undefined;
  log(text: string): void;
}

type BoardHandlers = Omit<Pick<Handlers, Extract<keyof Handlers, `boards.${string}`>>, 'boards.list' | 'boards.exportDoctor'>;

export interface BoardCalls {
  handlers: BoardHandlers;
  /** Tells the review process which boards there are; whenever that may have changed, and when the process is a new one. */
  sync(): Promise<void>;
}

export function createBoardCalls({ dialogs, boards, review, secrets, state, knownFile, agentPort = LAYOUT.port, log }: BoardWiring): BoardCalls {
  const picked = new PickedFiles<What>();
  const agent = process.env['SSH_AUTH_SOCK'] || undefined;
  /** Ids of boards that are being changed. */
  const busy = new Set<string>();

  const keyOf = async (path: string, passphrase: string | undefined): Promise<NonNullable<Credentials['key']>> => {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new CallFailure('key-unreadable', `The key ${path} cannot be read (${error.code ?? error.message}); choose it again.`);
    });
    return { text, passphrase };
  };
  /** Everything that is kept for a board. */
  const kept = async (id: string): Promise<Credentials> => {
    const { password, ownKey, keyFile, passphrase } = secrets.of(id);
    if (ownKey !== undefined || keyFile === undefined) return { agent, password, key: ownKey === undefined ? undefined : { text: ownKey } };
    // One that is gone is told by the login that fails.
    return { agent, password, key: await keyOf(keyFile, passphrase).catch(() => undefined) };
  };
  const credentialsOf = async (login: Login): Promise<Credentials> => {
    if (login.method === 'password') return { password: login.password };
    return login.method === 'key' ? { key: await keyOf(picked.pathOf(login.keyFile, 'key'), login.passphrase ?? undefined) } : { agent };
  };
  /** What let us in, for the next time. */
  const keep = (id: string, login: Login): void => {
    if (login.method === 'password') secrets.keep(id, { password: login.password }, login.remember);
    if (login.method !== 'key') return;
    const { ownKey, pendingKey } = secrets.of(id);
    secrets.keep(id, { keyFile: picked.pathOf(login.keyFile, 'key'), ownKey: undefined, pendingKey: ownKey ?? pendingKey }, true);
    if (login.passphrase !== null) secrets.keep(id, { passphrase: login.passphrase }, login.remember);
  };
  const at = async (id: string): Promise<{ id: string; credentials: Credentials }> => ({ id, credentials: await kept(id) });
  const overlayOf = (id: string | null): string | null => (id === null ? null : picked.pathOf(id, 'overlay'));
  const seen = (id: string, versions: { installed: string; previous: string }): void => state.set({ seen: { ...state.get().seen, [id]: { installed: versions.installed, previous: versions.previous } } });

  const specs = async (): Promise<LinkSpec[]> => {
    const { unused, direct, seen: versions } = state.get();
    const use = (id: string): boolean => !unused.includes(id);
    const known = (await readKnownBoards(knownFile)).boards.filter(({ addresses }) => addresses.length > 0);
    return [
      ...(await Promise.all(known.map(async (board): Promise<LinkSpec> => {
        const { id, name, addresses: [address] } = board;
        return { id, name, use: use(id), ...parseBoardAddress(address!), link: 'ssh', board, credentials: await kept(id), agentPort, installed: '', previous: '', ...versions[id] };
      }))),
      ...direct.map(({ id, name, address, certificateSha256 }): LinkSpec =>
        ({ id, name, use: use(id), ...parseBoardAddress(address), link: 'direct', token: secrets.of(id).token, certificateSha256: certificateSha256 ?? undefined })),
    ];
  };
  let syncing = Promise.resolve();
  /** One after the other: what was read first must not arrive last. */
  const sync = (): Promise<void> => (syncing = syncing.then(async () => {
    try {
      await review.call('boards.set', { specs: await specs(), useVirtual: !state.get().unused.includes('virtual') });
    } catch (error) {
      log(`boards: ${(error as Error).message}`);
    }
  }));
  /** One change of a board at a time; its link is made anew after it. */
  const changing = async <T>(id: string, work: () => Promise<T>): Promise<T> => {
    if (busy.has(id)) throw new CallFailure('busy', 'Something is being done to this board already; wait for it, or cancel it.');
    busy.add(id);
    try {
      return await work();
    } finally {
      busy.delete(id);
      await sync();
      await review.call('boards.reconnect', { id }).catch(() => {});
    }
  };
  const directly = (id: string): boolean => state.get().direct.some((one) => one.id === id);
  const notVirtual = (id: string): void => {
    if (id === 'virtual') throw new CallFailure('bad-request', 'The virtual board belongs to FabricLens.');
  };

  /** A key of our own is kept before it is let in, and used when it is: one that is let in and lost would be a door that nobody can close. */
  const scriptsOf = async (id: string, { key, password, rootPassword, ...rest }: SecureChoices): Promise<SecureScripts> => {
    let line: string | undefined;
    if (key === 'own') {
      const { ownKey, pendingKey } = secrets.of(id);
      const own = ownKey ?? pendingKey ?? makeLoginKey();
      if (ownKey === undefined) secrets.keep(id, { pendingKey: own }, true);
      line = publicLineOf(own, 'fabriclens');
    } else if (key !== null) line = (await keyOf(picked.pathOf(key.file, 'publicKey'), undefined)).text;
    return { ...rest, key: line, password: password ?? undefined, rootPassword: rootPassword ?? undefined };
  };

  const handlers: BoardHandlers = {
    'boards.find': (request, signal) => boards.call('find', request, signal),
    'boards.pick': async ({ what }) => {
      const path = await dialogs.open(OPEN[what]);
      return { file: path === null ? null : picked.add(what, path) };
    },
    'boards.connect': async ({ login, ...request }, signal) => {
      const here = boardsAt(await readKnownBoards(knownFile), addressOf(parseSshAddress(request.address)));
      const given = login === null ? null : await credentialsOf(login);
      const answer = await boards.call('connect', { ...request, given, kept: Object.fromEntries(await Promise.all(here.map(async ({ id }) => [id, await kept(id)] as const))) }, signal);
      if (answer.state === 'trusted') {
        if (login !== null) keep(answer.id, login);
        await sync();
      }
      return answer;
    },
    'boards.unlock': async ({ id, password, remember }, signal) => {
      await boards.call('unlock', { id, credentials: { ...(await kept(id)), password } }, signal);
      secrets.keep(id, { password }, remember);
      await sync();
      return {};
    },
    'boards.keychain': async () => ({ available: secrets.available }),
    'boards.doctor': async ({ id }, signal) => {
      const report = await boards.call('doctor', await at(id), signal);
      seen(id, report);
      await sync();
      return report;
    },
    'boards.secure': ({ id, choices }, signal) => changing(id, async () => {
      const answer = await boards.call('secure', { choices: await scriptsOf(id, choices), ...(await at(id)) }, signal);
      const { ownKey, pendingKey } = secrets.of(id);
      if (choices.key === 'own') secrets.keep(id, { ownKey: ownKey ?? pendingKey, pendingKey: undefined }, true);
      if (choices.password !== null) secrets.keep(id, { password: choices.password }, true);
      return answer;
    }),
    'boards.plan': async ({ id, overlay }, signal) => {
      const plan = await boards.call('plan', { ...(await at(id)), overlay: overlayOf(overlay) }, signal);
      seen(id, plan);
      return plan;
    },
    'boards.install': ({ id, overlay }, signal) => changing(id, async () => {
      const { previous, ...installed } = await boards.call('install', { ...(await at(id)), overlay: overlayOf(overlay) }, signal);
      seen(id, { installed: installed.version, previous });
      return installed;
    }),
    'boards.rollback': ({ id }, signal) => changing(id, async () => {
      const { version, previous } = await boards.call('rollback', await at(id), signal);
      seen(id, { installed: version, previous });
      return { version };
    }),
    'boards.uninstall': ({ id }, signal) => changing(id, async () => {
      await boards.call('uninstall', await at(id), signal);
      seen(id, { installed: '', previous: '' });
      return {};
    }),
    'boards.logs': async ({ id }, signal) => boards.call('logs', await at(id), signal),
    'boards.use': async ({ id, use }) => {
      const others = state.get().unused.filter((one) => one !== id);
      state.set({ unused: use ? others : [...others, id] });
      await sync();
      return {};
    },
    'boards.rename': async ({ id, name }) => {
      notVirtual(id);
      if (directly(id)) state.set({ direct: state.get().direct.map((one) => (one.id === id ? { ...one, name } : one)) });
      else await boards.call('rename', { id, name });
      await sync();
      return {};
    },
    'boards.forget': async ({ id }) => {
      notVirtual(id);
      if (busy.has(id)) throw new CallFailure('busy', 'Something is being done to this board; wait for it, or cancel it.');
      const { unused, direct, seen: versions } = state.get();
      if (!directly(id)) await boards.call('forget', { id });
      secrets.forget(id);
      state.set({ unused: unused.filter((one) => one !== id), direct: direct.filter((one) => one.id !== id), seen: Object.fromEntries(Object.entries(versions).filter(([one]) => one !== id)) });
      await sync();
      return {};
    },
    'boards.addDirect': async ({ name, address, token, certificateSha256 }) => {
      const where = addressOf(parseBoardAddress(address));
      const id = randomUUID();
      if (token !== null) secrets.keep(id, { token }, true);
      state.set({ direct: [...state.get().direct, { id, name, address: where, certificateSha256 }] });
      await sync();
      return { id };
    },
    'boards.reconnect': async (request, signal) => {
      await sync();
      return review.call('boards.reconnect', request, signal);
    },
  };
  return { handlers, sync };
}
