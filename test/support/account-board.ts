/**
 * A board with accounts: the real OpenSSH server, PAM, sudo, su, useradd and chpasswd, in namespaces with processes, an /etc, /opt, /var/lib and /run of its own, so that nothing of this
 * computer's is touched. Like an image's: `xilinx` and root with the password xilinx, sudo with a password, root let in by keys alone. Wants root and unshare.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { connectSsh, type Login, type SshConnection } from '../../src/board/ssh/connection.ts';
import type { KnownBoard } from '../../src/board/ssh/host-keys.ts';
import { pynqRoot } from './pynq-root.ts';
import { freePort } from './sshd.ts';

/** Not where tests run without root, or in a container that lets nobody make a namespace: there these parts are untried. */
export const canHaveAccounts = process.getuid?.() === 0 && spawnSync('unshare', ['-m', '-p', '-f', '--mount-proc', 'true']).status === 0;

export interface AccountBoard {
  port: number;
  login(login: Login, board?: Pick<KnownBoard, 'hostKeys'>): Promise<SshConnection>;
  stop(): Promise<void>;
}

export async function startAccountBoard(): Promise<AccountBoard> {
  const folder = mkdtempSync(join(tmpdir(), 'fabriclens-accounts-'));
  chmodSync(folder, 0o755);
  const port = await freePort();
  for (const [name, text] of Object.entries(pynqRoot()).filter(([name]) => name.startsWith('etc/'))) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  // Debian's /etc/environment is read by PAM; the image's is what we put there.
  writeFileSync(join(folder, 'start'), `set -e
mkdir -p ${folder}/all ${folder}/opt ${folder}/lib ${folder}/run/sshd ${folder}/log
cp -a /etc/. ${folder}/all/ && cp -a --remove-destination ${folder}/etc/. ${folder}/all/
for pair in all:/etc opt:/opt lib:/var/lib run:/run log:/var/log; do mount --bind ${folder}/\${pair%%:*} \${pair#*:}; done
rm -f /etc/ssh/ssh_host_* && ssh-keygen -A >/dev/null
useradd -m -d ${folder}/home -s /bin/bash xilinx && printf 'xilinx:xilinx\\nroot:xilinx\\n' | chpasswd
printf 'Defaults env_reset\\nroot ALL=(ALL:ALL) ALL\\nxilinx ALL=(ALL:ALL) ALL\\n' >/etc/sudoers
printf '%s\\n' 'Port ${port}' 'ListenAddress 127.0.0.1' 'UsePAM yes' 'PasswordAuthentication yes' 'PermitRootLogin prohibit-password' 'MaxStartups 100' 'Subsystem sftp /usr/lib/openssh/sftp-server' >/etc/ssh/sshd_config
exec /usr/sbin/sshd -D -e
`);
  const child = spawn('unshare', ['-m', '-p', '-f', '--kill-child', '--mount-proc', '--propagation', 'private', 'sh', join(folder, 'start')], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => { said = (said + chunk.toString()).slice(-4000); });
  await new Promise<void>((done, reject) => {
    const timer = setTimeout(() => reject(new Error(`sshd does not listen after 60 s: ${said}`)), 60_000);
    child.once('exit', (code) => reject(new Error(`the board ended with ${code}: ${said}`)));
    child.stderr.on('data', () => {
      if (!said.includes('Server listening')) return;
      clearTimeout(timer);
      done();
    });
  });
  const accept = (): string => {
    const listed = spawnSync('ssh-keyscan', ['-t', 'ed25519', '-p', String(port), '127.0.0.1'], { timeout: 20_000 }).stdout.toString();
    return spawnSync('ssh-keygen', ['-lf', '-'], { input: listed, timeout: 20_000 }).stdout.toString().split(' ')[1]!;
  };
  return {
    port,
    login: (login, board) => connectSsh({
      host: '127.0.0.1', port, login, ...(board ? { candidates: [{ id: '0'.repeat(32), name: 'desk', addresses: [], user: login.user, ...board }] } : { candidates: [], accept: accept() }),
    }),
    stop: async () => {
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
