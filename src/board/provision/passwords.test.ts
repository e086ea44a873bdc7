/** With real accounts: OpenSSH, PAM, sudo, su and chpasswd (test/support/account-board.ts). */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canHaveAccounts, startAccountBoard, type AccountBoard } from '../../../test/support/account-board.ts';
import type { SshConnection } from '../ssh/connection.ts';
import { execAsRoot } from '../ssh/shell.ts';
import { changePassword, rootTakes } from './passwords.ts';
import { LAYOUT } from './probe.ts';
import type { Session } from './runner.ts';
import { secure } from './secure.ts';

const OLD = 'xilinx';
const NEW = 'a new "word" with $igns \\ and: ü';

describe.skipIf(!canHaveAccounts)('new passwords', () => {
  let board: AccountBoard;
  let session: Session;
  const open: SshConnection[] = [];
  const login = async (password: string): Promise<SshConnection> => {
    const ssh = await board.login({ user: 'xilinx', password });
    open.push(ssh);
    return ssh;
  };
  const lets = (password: string): Promise<boolean> => login(password).then(() => true, (error: { code?: string }) => {
    if (error.code !== 'unauthorised') throw error;
    return false;
  });
  const hooks = { login: (_keys: unknown, password?: string) => login(password ?? OLD), pin: () => Promise.resolve(), tell: () => {} };

  beforeAll(async () => {
    board = await startAccountBoard();
    session = { ssh: await login(OLD), layout: LAYOUT, sudoPassword: OLD };
  }, 120_000);
  afterAll(async () => {
    open.forEach((ssh) => ssh.close());
    await board.stop();
  });

  test('sudo takes the password, and no other; nothing is changed by a wrong one', async () => {
    expect((await execAsRoot(session.ssh, 'id -u', OLD)).stdout).toBe('0\n');
    await expect(secure({ ...session, sudoPassword: 'another one' }, { hostKeys: false, services: false, password: NEW }, hooks)).rejects.toMatchObject({ code: 'unauthorised' });
    expect([await lets(OLD), await lets(NEW)]).toEqual([true, false]);
  }, 120_000);

  test('unless a login goes through, the old one is back; no process has it among its arguments', async () => {
    const works = (): Promise<void> => {
      const all = spawnSync('ps', ['axwwo', 'args'], { timeout: 20_000 }).stdout.toString(); // the namespace's, too
      expect(all).toContain('chpasswd');
      expect(all).not.toContain(NEW);
      return Promise.reject(new Error('no login'));
    };
    await expect(changePassword(session, 'xilinx', NEW, works)).rejects.toMatchObject({ code: 'command-failed', message: expect.stringMatching(/put back.*no login/) as string });
    expect([await lets(OLD), await lets(NEW)]).toEqual([true, false]);
  }, 120_000);

  test('where the connection breaks before that, too', async () => {
    const ssh = await login(OLD);
    const cut = async (): Promise<void> => {
      expect(await lets(NEW)).toBe(true);
      ssh.close();
      await ssh.closed;
    };
    await expect(changePassword({ ...session, ssh }, 'xilinx', NEW, cut)).rejects.toMatchObject({ message: expect.stringContaining('not known') as string });
    await expect.poll(() => lets(OLD), { timeout: 30_000 }).toBe(true);
    expect(await lets(NEW)).toBe(false);
  }, 120_000);

  test('a user who is not there, and words that are none', async () => {
    await expect(changePassword(session, 'nobody-of-that-name', NEW, () => Promise.resolve())).rejects.toMatchObject({ message: expect.stringContaining('no such user') as string });
    for (const wrong of ['', 'short', 'two\nlines are two', 'x'.repeat(201)]) await expect(changePassword(session, 'xilinx', wrong, () => Promise.resolve())).rejects.toMatchObject({ code: 'bad-request' });
  }, 120_000);

  test('root’s and the login’s, in that order; the session knows the new one', async () => {
    const told: string[] = [];
    await secure(session, { hostKeys: false, services: false, password: NEW, rootPassword: `${NEW} of root` }, { ...hooks, tell: (what) => told.push(what) });
    expect(told).toEqual(["changing root's password", "changing the password of 'xilinx'"]);
    expect(session.sudoPassword).toBe(NEW);
    expect([await lets(OLD), await lets(NEW)]).toEqual([false, true]);
    await rootTakes(session.ssh, `${NEW} of root`);
    await expect(rootTakes(session.ssh, OLD)).rejects.toMatchObject({ code: 'unauthorised' });
    expect((await execAsRoot(session.ssh, 'id -u', NEW)).stdout).toBe('0\n');
  }, 120_000);
});
