/** An installation with real accounts: sudo, useradd and setpriv as on an image, in a namespace of their own (test/support/account-board.ts). No systemd there. */
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canHaveAccounts, startAccountBoard, type AccountBoard } from '../../../test/support/account-board.ts';
import { agentFixture } from '../../../test/support/agent.ts';
import { boardBundle, goldenVectors } from '../../../test/support/board-bundle.ts';
import { freePort } from '../../../test/support/sshd.ts';
import { LAYOUT } from './probe.ts';
import { compare, doctor, install, readToken, uninstall, type Session } from './runner.ts';

describe.skipIf(!canHaveAccounts)('an installation as a login that is not root', () => {
  let board: AccountBoard;
  let session: Session;
  let fixture: Awaited<ReturnType<typeof agentFixture>>;
  beforeAll(async () => {
    fixture = await agentFixture('tiny');
    board = await startAccountBoard();
    session = { ssh: await board.login({ user: 'xilinx', password: 'xilinx' }), layout: { ...LAYOUT, port: await freePort(), readyS: 60 }, sudoPassword: 'xilinx' };
  }, 300_000);
  afterAll(async () => {
    session.ssh.close();
    await board.stop();
    rmSync(fixture.modelsDir, { recursive: true });
  });
  const said = async (command: string): Promise<string> => (await session.ssh.exec(command)).stdout.trim();

  test('runs the agent as a user of its own, who owns the store alone; afterwards nothing is left, nor the user', async () => {
    const report = await doctor(session);
    expect(report.findings.find(({ id }) => id === 'sudo')).toMatchObject({ grade: 'green' });
    const vectors = await goldenVectors(fixture);
    const { version, bytes } = boardBundle(fixture, '1.0.0');
    const { systemd, python, home } = report;
    await install(session, { layout: session.layout, systemd, python, home, user: 'xilinx', version, bundle: bytes, bundleBytes: bytes.length, boardId: 'a'.repeat(32), overlay: undefined, vectors });
    const token = await readToken(session.ssh);
    await compare(session.ssh, session.layout.port, token, vectors);
    expect(await said(`ps -o user:20= -p "$(pgrep -f -- '[-]-port ${session.layout.port}')"`)).toBe('fabriclens');
    expect(await said('stat -c "%U %a" /var/lib/fabriclens /etc/fabriclens/token ~/.fabriclens/token /opt/fabriclens/current/')).toBe('fabriclens 700\nfabriclens 600\nxilinx 600\nroot 755');
    // What a service runs is nobody's to change but root's.
    expect(await said('find /opt/fabriclens -not -type l \\( -not -user root -o -perm /022 \\)')).toBe('');
    await uninstall(session, await doctor(session));
    expect(await said('id -u fabriclens; ls -d /opt/fabriclens /etc/fabriclens /var/lib/fabriclens ~/.fabriclens; pgrep -u 999 -f python')).toBe('');
  }, 300_000);
});
