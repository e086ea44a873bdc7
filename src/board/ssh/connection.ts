/** One SSH connection to a board: its host key judged before anything is said, commands, streams to its ports. Fails only with BoardError. */
import type { Duplex } from 'node:stream';
import ssh2, { type AuthenticationType, type AnyAuthMethod, type Client, type ClientChannel, type ConnectConfig, type SFTPWrapper } from 'ssh2';
import { BoardError } from '../errors.ts';
import { addressOf } from '../http.ts';
import { algorithmsFor, fingerprintOf, judgeHostKey, readHostKey, type HostKey, type KnownBoard } from './host-keys.ts';

/** Kept in memory only. Tried in this order: key, agent, password (also where the server asks for it interactively). */
export interface Login {
  user: string;
  key?: { text: string; passphrase?: string | undefined } | undefined;
  /** Socket of an SSH agent. */
  agent?: string | undefined;
  password?: string | undefined;
}

export interface SshOptions {
  host: string;
  port: number;
  login: Login;
  /** Boards that may be at this address: the host key must be one of theirs, or `accept`. */
  candidates: readonly KnownBoard[];
  /** Fingerprint that somebody has read and accepted for this connection. */
  accept?: string | undefined;
  /** Milliseconds until logged in; a board under load takes tens of seconds. */
  readyTimeoutMs?: number | undefined;
  /** A peer that leaves three of them in a row unanswered is gone. */
  keepaliveMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** The host key is not known, or not the one that is. `pinned` is empty for a board that was never seen. */
export class HostKeyError extends BoardError {
  override readonly name = 'HostKeyError';
  readonly hostKey: HostKey;
  readonly shown: string;
  readonly pinned: readonly { board: KnownBoard; key: HostKey }[];

  constructor(address: string, key: HostKey, pinned: readonly { board: KnownBoard; key: HostKey }[]) {
    const shown = fingerprintOf(key);
    super('host-key', pinned.length === 0
      ? `Board ${address} is not known yet; its ${key.algorithm} key is ${shown}. Compare it with what 'ssh-keygen -lf' says on the board's serial console, then trust it.`
      : `Board ${address} shows another host key than before: ${key.algorithm} ${shown}, where ${pinned.map((p) => `'${p.board.name}' had ${p.key.algorithm} ${fingerprintOf(p.key)}`).join(' and ')}. `
        + 'Nothing was sent. It is another board at that address, a card that was written anew, or somebody in between; find out which, then trust it anew.');
    this.hostKey = key;
    this.shown = shown;
    this.pinned = pinned;
  }
}

/** The board has the right host key, and lets nobody in with what was given. */
export class LoginError extends BoardError {
  override readonly name = 'LoginError';
  readonly hostKey: HostKey;
  /** Whose key it is; undefined where it was accepted for this connection. */
  readonly board: KnownBoard | undefined;
  readonly tried: readonly ('key' | 'agent' | 'password')[];

  constructor(address: string, login: Login, hostKey: HostKey, board: KnownBoard | undefined, cause: unknown) {
    const tried = (['key', 'agent', 'password'] as const).filter((way) => login[way] !== undefined);
    super('unauthorised', `Board ${address} does not let '${login.user}' in (tried: ${tried.join(', ') || 'nothing'}); correct the user or the password, or install a key.`, { cause });
    this.hostKey = hostKey;
    this.board = board;
    this.tried = tried;
  }
}

export interface CommandOptions {
  stdin?: string | Uint8Array | undefined;
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
  /** Of stdout and of stderr, each; more ends the command. */
  maxBytes?: number | undefined;
  /** Of stdout, as it comes. */
  onText?: ((text: string) => void) | undefined;
}

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

const READY_TIMEOUT_MS = 60_000;
const COMMAND_TIMEOUT_MS = 120_000;
const KEEPALIVE_MS = 5_000;
const OUTPUT_LIMIT = 1 << 20;
/** Why a server opens no channel: RFC 4254, section 5.1. */
const [PROHIBITED, CONNECT_FAILED] = [1, 2];

export class SshConnection {
  readonly address: string;
  readonly user: string;
  /** The key that the board proved to have. */
  readonly hostKey: HostKey;
  /** Whose key it is; undefined where it was accepted for this connection. */
  readonly board: KnownBoard | undefined;
  /** Resolves with the reason when the connection is over. */
  readonly closed: Promise<string>;
  readonly #client: Client;
  #over: string | undefined;

  constructor(client: Client, address: string, user: string, hostKey: HostKey, board: KnownBoard | undefined) {
    this.#client = client;
    this.address = address;
    this.user = user;
    this.hostKey = hostKey;
    this.board = board;
    let reason = 'the SSH connection was closed';
    client.on('error', (error) => { reason = messageOf(error); });
    this.closed = new Promise((done) => client.once('close', () => {
      this.#over = reason;
      done(reason);
    }));
  }

  close(): void {
    this.#client.end();
    // A peer that is gone never says goodbye.
    setTimeout(() => this.#client.destroy(), 1_000).unref();
  }

  /** Runs a command line in the login shell. Rejects where no exit code comes: the connection broke, time is up, too much was printed. */
  async exec(command: string, { stdin, signal, timeoutMs = COMMAND_TIMEOUT_MS, maxBytes = OUTPUT_LIMIT, onText }: CommandOptions = {}): Promise<CommandResult> {
    const channel = await this.#open<ClientChannel>((done) => this.#client.exec(command, done), signal);
    return new Promise((resolve, reject) => {
      const parts: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
      const sizes = { stdout: 0, stderr: 0 };
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      const fail = (error: BoardError): void => settle(() => {
        reject(error);
        channel.destroy();
      });
      const onAbort = (): void => fail(this.#error('cancelled', 'the command was cancelled'));
      const timer = setTimeout(() => fail(this.#error('timeout', `a command was not done within ${timeoutMs} ms; the board may be overloaded or hung`)), timeoutMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      const take = (stream: 'stdout' | 'stderr') => (chunk: Buffer): void => {
        sizes[stream] += chunk.length;
        if (sizes[stream] > maxBytes) return fail(this.#error('protocol', `a command printed more than ${maxBytes} bytes`));
        parts[stream].push(chunk);
        if (stream === 'stdout') onText?.(chunk.toString());
      };
      channel.on('data', take('stdout'));
      channel.stderr.on('data', take('stderr'));
      channel.on('error', () => {}); // 'close' follows
      channel.on('close', (code: number | null | undefined) => settle(() => {
        if (typeof code !== 'number') reject(this.#error('board-unreachable', this.#over ?? 'a command ended without an exit code: the connection broke, or it was killed'));
        else resolve({ code, stdout: Buffer.concat(parts.stdout).toString(), stderr: Buffer.concat(parts.stderr).toString() });
      }));
      if (signal?.aborted) onAbort();
      else channel.end(stdin);
    });
  }

  /** Starts a program that goes on until `end()`, and waits for the first line that it prints. `stdin` is what it is told at once, `say` tells it more; `exit` is its exit code, null without one. */
  async program(command: string, stdin: string, { signal, timeoutMs = COMMAND_TIMEOUT_MS }: CommandOptions = {}): Promise<{ firstLine: string; say: (text: string) => void; end: () => void; exit: Promise<number | null> }> {
    const channel = await this.#open<ClientChannel>((done) => this.#client.exec(command, done), signal);
    channel.on('error', () => {});
    channel.stderr.resume();
    channel.write(stdin);
    const exit = new Promise<number | null>((done) => channel.on('close', (code: number | null | undefined) => done(code ?? null)));
    const firstLine = await new Promise<string>((resolve, reject) => {
      let said = '';
      const timer = setTimeout(() => settle(() => {
        reject(this.#error('timeout', `a program said nothing within ${timeoutMs} ms`));
        channel.destroy();
      }), timeoutMs);
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        act();
      };
      channel.on('data', (chunk: Buffer) => {
        if (said.length < OUTPUT_LIMIT) said += chunk.toString();
        const end = said.indexOf('\n');
        if (end >= 0) settle(() => resolve(said.slice(0, end)));
      });
      channel.on('close', () => settle(() => (this.#over === undefined ? resolve(said) : reject(this.#error('board-unreachable', this.#over)))));
    });
    return { firstLine, say: (text) => void channel.write(text), end: () => channel.end(), exit };
  }

  /** A stream to a TCP port of the board's loopback, through this connection. */
  async stream(port: number): Promise<Duplex> {
    const channel = await this.#open<ClientChannel>((done) => this.#client.forwardOut('127.0.0.1', 0, '127.0.0.1', port, done));
    channel.on('error', () => {}); // 'close' follows, and tells whoever uses it
    if (this.#over !== undefined) throw this.#error('board-unreachable', this.#over);
    // Without it a request whose connection broke while its stream was opening waits for its own deadline.
    void this.closed.then((reason) => channel.emit('error', new Error(reason)));
    return channel;
  }

  sftp(signal?: AbortSignal): Promise<SFTPWrapper> {
    return this.#open<SFTPWrapper>((done) => this.#client.sftp(done), signal);
  }

  #open<T>(ask: (done: (error: Error | undefined, result: T) => void) => void, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(this.#error('cancelled', 'the request was cancelled'));
      void this.closed.then((reason) => reject(this.#error('board-unreachable', reason)));
      try {
        ask((error, result) => {
          if (!error) resolve(result);
          else if ((error as { reason?: unknown }).reason === CONNECT_FAILED) reject(this.#error('board-unreachable', 'nothing listens on the port that was asked for; start the agent or correct the port', error));
          else if ((error as { reason?: unknown }).reason === PROHIBITED) reject(this.#error('bad-request', "its SSH server forwards no connections; set 'AllowTcpForwarding yes' in its sshd_config", error));
          else reject(this.#error('board-unreachable', error.message, error));
        });
      } catch (error) {
        reject(this.#error('board-unreachable', this.#over ?? messageOf(error), error));
      }
    });
  }

  #error(code: BoardError['code'], what: string, cause?: unknown): BoardError {
    return new BoardError(code, `Board ${this.address}: ${what}.`, { cause });
  }
}

/** Resolves when logged in. */
export function connectSsh({ host, port, login, candidates, accept, readyTimeoutMs = READY_TIMEOUT_MS, keepaliveMs = KEEPALIVE_MS, signal }: SshOptions): Promise<SshConnection> {
  const address = addressOf({ host, port });
  const fault = (code: BoardError['code'], what: string, cause?: unknown): BoardError => new BoardError(code, `Board ${address}: ${what}.`, { cause });
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(fault('cancelled', 'connecting was cancelled'));
    const client = new ssh2.Client();
    let hostKey: HostKey | undefined;
    let board: KnownBoard | undefined;
    let refusal: BoardError | undefined;

    const settle = (act: () => void): void => {
      signal?.removeEventListener('abort', onAbort);
      act();
    };
    const fail = (error: BoardError): void => settle(() => {
      reject(error);
      client.destroy();
    });
    const onAbort = (): void => fail(fault('cancelled', 'connecting was cancelled'));
    signal?.addEventListener('abort', onAbort, { once: true });

    const verify = (blob: Buffer): boolean => {
      const key = readHostKey(blob);
      if (!key) return false;
      const verdict = judgeHostKey(candidates, key);
      // Never the key of an earlier exchange replaced by another on one connection.
      const steady = hostKey === undefined || hostKey.blob === key.blob;
      if (steady && (verdict.state === 'known' || fingerprintOf(key) === accept)) {
        hostKey = key;
        board = verdict.state === 'known' ? verdict.board : undefined;
        return true;
      }
      refusal = new HostKeyError(address, key, verdict.state === 'changed' ? verdict.pinned : []);
      return false;
    };
    client.on('error', (error: Error & { level?: string; code?: string }) => {
      // An SSH agent that is gone, or does not sign: ssh2 goes on to what comes after it.
      if (error.level === 'agent') return;
      fail(refusal ?? (error.level === 'client-authentication' && hostKey ? new LoginError(address, login, hostKey, board, error) : explain(error, fault)));
    });
    client.on('close', () => fail(refusal ?? fault('board-unreachable', 'closed the connection before the login was done')));
    client.on('ready', () => settle(() => {
      client.removeAllListeners('close');
      client.removeAllListeners('error');
      resolve(new SshConnection(client, address, login.user, hostKey!, board));
    }));
    try {
      client.connect({
        host, port, username: login.user, readyTimeout: readyTimeoutMs, keepaliveInterval: keepaliveMs, keepaliveCountMax: 3,
        hostVerifier: verify, authHandler: methods(login) as unknown as ConnectConfig['authHandler'],
        // Electron's OpenSSL takes no explicit cipher list (BoringSSL knows fewer); the host key's kind is all that we choose.
        algorithms: { serverHostKey: algorithmsFor(candidates) as never },
      } as ConnectConfig);
      client.setNoDelay(true);
    } catch (error) {
      fail(fault('bad-request', `cannot log in: ${messageOf(error)}`, error));
    }
  });
}

/** Each tried once: a second round with the same password only counts against MaxAuthTries. Throws what ssh2 says of a key that cannot be used. */
function methods({ user, key, agent, password }: Login): AnyAuthMethod[] {
  const list: (AnyAuthMethod & { type: AuthenticationType })[] = [];
  if (key) {
    const parsed = ssh2.utils.parseKey(key.text, key.passphrase);
    if (parsed instanceof Error) throw new Error(`the private key cannot be used (${parsed.message}); give its passphrase, hand it to an SSH agent (ssh-add), or name another`);
    list.push({ type: 'publickey', username: user, key: Array.isArray(parsed) ? parsed[0]! : parsed });
  }
  if (agent !== undefined) list.push({ type: 'agent', username: user, agent });
  if (password !== undefined) {
    list.push({ type: 'password', username: user, password });
    let asked = false;
    list.push({
      type: 'keyboard-interactive', username: user,
      prompt: (_name, _instructions, _language, prompts, finish) => {
        // One hidden question is a password; whatever else is asked (a new password, a second factor) gets no answer of ours.
        const answerable = !asked && prompts.length === 1 && prompts[0]?.echo !== true;
        if (prompts.length > 0) asked = true;
        finish(answerable ? [password] : prompts.map(() => ''));
      },
    });
  }
  return list;
}

function explain(error: Error & { level?: string; code?: string }, fault: (code: BoardError['code'], what: string, cause?: unknown) => BoardError): BoardError {
  const { level, code, message } = error;
  if (level === 'client-timeout') return fault('timeout', 'did not answer in time; check that it is switched on and has booted', error);
  // A board that is booting takes connections before its SSH server does.
  if (/lost before handshake/.test(message)) return fault('board-unreachable', 'closed the connection before it said anything; wait until it has booted, or check address and port', error);
  if (level === 'handshake' || level === 'protocol') return fault('protocol', `is no SSH server that we can speak with (${message}); check address and port`, error);
  const words: Record<string, string> = {
    ECONNREFUSED: 'refuses connections; check the port, or wait until it has booted',
    ENOTFOUND: 'has a name that no name server knows; correct it or use the IP address',
    EAI_AGAIN: 'has a name that could not be looked up now; use the IP address',
    EHOSTUNREACH: 'cannot be reached from here; check cable and address',
    ENETUNREACH: 'cannot be reached from here; check the network connection',
    ETIMEDOUT: 'does not answer; check that it is switched on and the address is right',
  };
  return fault('board-unreachable', words[code ?? ''] ?? `cannot be reached (${message})`, error);
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
