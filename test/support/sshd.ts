/**
 * A real OpenSSH server (Debian's openssh-server) as this user on a loopback port, with host keys of its own and a home that is none of ours. `sudo` is the stand-in
 * below, and chpasswd too: no test may make an account on somebody's computer, or touch one. Logins are by key; with an `account` also by its password, under a name that exists in this server and
 * its sessions alone (libnss-wrapper: its passwd and shadow are files of the test) and means whoever runs the tests.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { fingerprintOf, readHostKey, type HostKey } from '../../src/board/ssh/host-keys.ts';

const SSHD = '/usr/sbin/sshd';
/** Asks for its password on stdin as `sudo -k -S` does, and runs the command as whoever runs it; one with the words of the file `hold` in it as soon as that file is gone. */
export const SUDO_PASSWORD = 'sudo password with spaces & $igns';
const SUDO = `#!/bin/sh
while [ $# -gt 0 ]; do case $1 in -k|-S) shift;; -p) shift 2;; --) shift; break;; *) break;; esac; done
hold=$HOME/../hold
[ -e "$hold" ] && case $* in *"$(cat "$hold")"*) while [ -e "$hold" ]; do sleep 0.1; done;; esac
[ -e "$HOME/.nopasswd" ] && exec "$@"
IFS= read -r word
[ "$word" = "$(cat "$HOME/../sudo-password")" ] || { echo "sudo: 1 incorrect password attempt" >&2; exit 1; }
exec "$@"
`;

/** Writes the shadow file of this test; nobody's password on this computer is within its reach. */
const CHPASSWD = `#!/bin/sh
shadow=$HOME/../shadow
IFS= read -r line || exit 1
user=\${line%%:*} word=\${line#*:}
grep -q "^$user:" "$shadow" || exit 1
if [ "$1" != -e ]; then
  [ "$user" = root ] || printf %s "$word" >"$HOME/../sudo-password"
  word=$(printf %s "$word" | openssl passwd -6 -stdin)
fi
awk -F: -v OFS=: -v user="$user" -v word="$word" '$1 == user { $2 = word } 1' "$shadow" >"$shadow.new" && cat "$shadow.new" >"$shadow"
`;

export interface TestServer {
  port: number;
  user: string;
  /** A private key that is let in. */
  key: string;
  hostKey: HostKey;
  fingerprint: string;
  /** What a login finds as $HOME; its bin/ is first on the PATH. */
  home: string;
  /** The folder around home, for whatever else a test puts there; board/ is what stands for the root of a board's files. */
  folder: string;
  /** Ends the server; it comes back on the same port with a new host key. */
  changeHostKey(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestKey { private: string; public: string }
/** ssh2 1.17 writes one key in some three hundred, whose first byte is 0, a byte too short: that one nobody can read. */
export function newKey(lock: { passphrase?: string; cipher?: string; rounds?: number } = {}): TestKey {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519', lock as { passphrase: string; cipher: string; rounds: number });
    if (!(ssh2.utils.parseKey(pair.private, lock.passphrase) instanceof Error) && !(ssh2.utils.parseKey(pair.public) instanceof Error)) return pair;
  }
}

export interface Account { name: string; password: string }

export async function startSshd(settings: readonly string[] = [], account?: Account): Promise<TestServer> {
  if (!existsSync(SSHD)) throw new Error(`${SSHD} is missing; install it: apt-get install openssh-server`);
  // As root it wants its empty folder, which a boot makes.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const folder = mkdtempSync(join(tmpdir(), 'fabriclens-sshd-'));
  const home = join(folder, 'home');
  mkdirSync(join(home, 'bin'), { recursive: true });
  const hostKey = join(folder, 'board/etc/ssh/ssh_host_ed25519_key');
  for (const name of ['board/etc/ssh', 'board/run']) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, 'sudo-password'), account?.password ?? SUDO_PASSWORD, { mode: 0o600 });
  writeFileSync(join(home, 'bin/sudo'), SUDO);
  writeFileSync(join(home, 'bin/chpasswd'), CHPASSWD);
  for (const name of ['sudo', 'chpasswd']) chmodSync(join(home, 'bin', name), 0o755);
  const client = newKey();
  writeFileSync(join(folder, 'authorized_keys'), `${client.public}\n`, { mode: 0o600 });
  const port = await freePort();
  const wrapper = account ? accountFiles(account, folder, home) : {};
  const path = join(folder, 'sshd_config');
  writeFileSync(path, [
    `Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${hostKey}`, `PidFile ${join(folder, 'board/run/sshd.pid')}`,
    `AuthorizedKeysFile ${join(folder, 'authorized_keys')} ${join(home, '.ssh/authorized_keys')}`, 'StrictModes no', 'UsePAM no', `PasswordAuthentication ${account ? 'yes' : 'no'}`, 'KbdInteractiveAuthentication no',
    // The account's number is root's where root runs the tests.
    `PermitRootLogin ${account ? 'yes' : 'prohibit-password'}`, 'LogLevel VERBOSE', `Subsystem sftp /usr/lib/openssh/sftp-server -d ${home}`,
    `SetEnv HOME=${home} PATH=${join(home, 'bin')}:${process.env['PATH'] ?? ''}${Object.entries(wrapper).map(([name, value]) => ` ${name}=${value}`).join('')}`, 'MaxStartups 100', ...settings, '',
  ].join('\n'));

  let child: ChildProcess | undefined;
  const server = { port, user: account?.name ?? userInfo().username, key: client.private, home, folder } as TestServer;
  const start = async (): Promise<void> => {
    const pair = newKey();
    writeFileSync(hostKey, pair.private, { mode: 0o600 });
    const parsed = ssh2.utils.parseKey(pair.public);
    if (parsed instanceof Error) throw parsed;
    server.hostKey = readHostKey((Array.isArray(parsed) ? parsed[0]! : parsed).getPublicSSH())!;
    server.fingerprint = fingerprintOf(server.hostKey);
    const started = spawn(SSHD, ['-D', '-e', '-f', path], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...wrapper } });
    child = started;
    let said = '';
    started.stderr.on('data', (chunk: Buffer) => { said = (said + chunk.toString()).slice(-4000); });
    await new Promise<void>((done, reject) => {
      const timer = setTimeout(() => reject(new Error(`sshd does not listen after 20 s: ${said}`)), 20_000);
      started.once('error', reject);
      started.once('exit', (code) => reject(new Error(`sshd ended with ${code}: ${said}`)));
      started.stderr.on('data', () => {
        if (!said.includes('Server listening')) return;
        clearTimeout(timer);
        done();
      });
    });
  };
  const end = async (): Promise<void> => {
    const running = child;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    await new Promise<void>((done) => { running.once('exit', () => done()); running.kill('SIGKILL'); });
  };
  await start();
  server.changeHostKey = async () => { await end(); await start(); };
  server.stop = async () => { await end(); rmSync(folder, { recursive: true, force: true }); };
  return server;
}

/** passwd, group and shadow of an account that only who has these variables sees. */
function accountFiles({ name, password }: Account, folder: string, home: string): Record<string, string> {
  const { uid, gid } = userInfo();
  const file = (kind: string, lines: string[]): string => {
    const path = join(folder, kind);
    writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 });
    return path;
  };
  const hash = execFileSync('openssl', ['passwd', '-6', '-stdin'], { input: password, encoding: 'utf8' }).trim();
  // The first name of a number is the one that it is called by. sshd looks its own user up.
  return {
    LD_PRELOAD: 'libnss_wrapper.so',
    NSS_WRAPPER_PASSWD: file('passwd', [`${name}:x:${uid}:${gid}::${home}:/bin/sh`, 'root:x:0:0::/root:/bin/sh', 'sshd:x:65534:65534::/run/sshd:/usr/sbin/nologin']),
    NSS_WRAPPER_GROUP: file('group', [`${name}:x:${gid}:`, 'root:x:0:', 'nogroup:x:65534:']),
    NSS_WRAPPER_SHADOW: file('shadow', [`${name}:${hash}:19000:0:99999:7:::`, 'root:*:19000:0:99999:7:::', 'sshd:*:19000:0:99999:7:::']),
  };
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, '127.0.0.1', done));
  const { port } = probe.address() as AddressInfo;
  await new Promise((done) => probe.close(done));
  return port;
}

/** A cable that can be pulled: a TCP proxy. `cut` resets what goes through; `freeze` carries nothing on and says nothing; `pull` does so with new connections too, until `plug`. */
export interface Cable {
  port: number;
  /** Bytes carried to the board so far. */
  sent(): number;
  cut(): void;
  freeze(): void;
  pull(): void;
  plug(): void;
  close(): Promise<void>;
}

export async function cable(to: number): Promise<Cable> {
  const pairs = new Set<[Socket, Socket]>();
  let sent = 0;
  let pulled = false;
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1');
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    near.on('data', (chunk) => { sent += chunk.length; });
    for (const socket of pair) socket.on('error', end).on('close', end);
    if (pulled) return;
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const cut = (): void => pairs.forEach((pair) => pair.forEach((socket) => socket.resetAndDestroy()));
  const freeze = (): void => pairs.forEach(([near, far]) => {
    near.unpipe(far);
    far.unpipe(near);
    near.pause();
    far.pause();
  });
  return {
    port: (server.address() as AddressInfo).port,
    sent: () => sent,
    cut,
    freeze,
    pull: () => {
      pulled = true;
      freeze();
    },
    plug: () => {
      pulled = false;
      cut();
    },
    close: async () => {
      const closed = new Promise((done) => server.close(done));
      cut();
      await closed;
    },
  };
}
