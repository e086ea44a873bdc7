/**
 * A board from the network to an inference, in the real window: a real OpenSSH server stands for a stock PYNQ image. Its host key is compared, a login refused and
 * let in, the board examined, the installation cancelled midway, left, resumed and finished, and asked on the Review screen; then its key changes, and it is uninstalled.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import type { Locator, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { build } from '../../hls/build.mjs';
import { DoctorReport } from '../../src/contract/boards.ts';
import { startPynq, STOCK, type PynqServer } from '../support/pynq-server.ts';
import { launch, screenshot, type Launched } from './launch.ts';

const NEW_PASSWORD = 'new word & $ign';
let pynq: PynqServer;
let launched: Launched;
const page = (): Page => launched.page;
const id = (name: string): Locator => page().getByTestId(name);
const wizard = (): Locator => id('wizard');
const step = (name: string, timeout = 60_000): Promise<void> => page().locator(`[data-testid=wizard][data-step=${name}]`).waitFor({ timeout });
/** The next dialogs of the system are answered with `path`. */
const answer = (path: string): Promise<void> => launched.app.evaluate(({ dialog }, chosen) => {
  dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths: [chosen] });
  dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath: chosen });
}, path);

async function axe(): Promise<string[]> {
  const { violations, passes } = await new AxeBuilder({ page: page() }).setLegacyMode(true).analyze();
  expect(passes.length).toBeGreaterThan(5);
  return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
}
/** Without colour, and in both sizes that screens are drawn for. */
async function look(name: string): Promise<void> {
  expect(await axe(), name).toEqual([]);
  for (const [width, height] of [[1280, 720], [1600, 1000]] as const) {
    await page().setViewportSize({ width, height });
    await screenshot(page(), `boards-${name}-${width}`);
  }
  // Nothing is cut off at the side of the small one.
  await page().setViewportSize({ width: 1280, height: 720 });
  expect(await page().evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), name).toBe(0);
}
/** Everything that the host says by an id has its own words here. */
async function named(rows: string, word: string): Promise<void> {
  for (const row of await id(rows).all()) expect(await row.locator(word).first().innerText(), rows).not.toBe(await row.getAttribute('data-id'));
}
/** From the empty wizard to the host key that the board shows. */
async function findIt(): Promise<void> {
  await id('add-board').click();
  await step('find');
  await id('find-where').fill(pynq.address);
  await page().keyboard.press('Enter');
  await id('found-board').getByText(pynq.address).waitFor({ timeout: 60_000 });
  await expect.poll(() => id('wizard-next').isEnabled()).toBe(true);
}
async function inLanguage(name: string): Promise<void> {
  await id('rail-workspace.settings').click();
  await page().getByText(name, { exact: true }).click();
  await id('rail-workspace.boards').click();
}

beforeAll(async () => {
  pynq = await startPynq(await build('runtime'));
  launched = await launch(pynq.launch);
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail' && launched) console.log(`screenshot: ${await screenshot(page(), task.name)}\napplication log:\n${launched.log()}`);
});
afterAll(async () => {
  await launched?.close();
  if (launched) rmSync(launched.userData, { recursive: true, force: true });
  await pynq?.stop();
});

describe('a board in the window', { timeout: 300_000 }, () => {
  test('at the start there is the virtual board', async () => {
    await id('rail-workspace.boards').click();
    await page().locator('[data-testid=board][data-state=ready]').waitFor({ timeout: 60_000 });
    expect(await id('board-item').count()).toBe(1);
    await look('virtual');
  });

  test('found where somebody looks, with what speaks for it; an address where nobody is says what to try', async () => {
    await id('add-board').click();
    await step('find');
    // The wizard begins at its heading.
    expect(await page().evaluate(() => document.activeElement?.tagName)).toBe('H4');
    expect(await id('wizard-next').isDisabled()).toBe(true);
    await id('find-where').fill('127.0.0.1:1');
    await id('find-there').click();
    await id('nothing-found').waitFor({ timeout: 60_000 });
    await id('find-where').fill('10.0.0.0/8');
    await id('find-there').click();
    await id('board-failure').getByText('at most 1024').waitFor({ timeout: 60_000 });
    await id('find-where').fill(pynq.address);
    await id('find-there').click();
    await id('found-board').getByText('OpenSSH').waitFor({ timeout: 60_000 });
    await look('find');
  });

  test('its host key is shown, and nothing goes on before somebody says that it was compared', async () => {
    await id('wizard-next').click();
    await step('trust');
    await id('fingerprint').waitFor({ timeout: 60_000 });
    expect(await id('fingerprint').innerText()).toBe(pynq.server.fingerprint);
    expect(await id('wizard-next').isDisabled()).toBe(true);
    await look('trust');
    await id('compared').focus();
    await page().keyboard.press('Space');
    await id('wizard-next').click();
    await id('login').waitFor({ timeout: 60_000 });
    expect(existsSync(join(pynq.server.folder, 'boards.json'))).toBe(false);
  });

  test('a wrong password lets nobody in; the stock one does, and is recognised', async () => {
    expect(await id('login-user').inputValue()).toBe(STOCK.name);
    await id('login-password').fill('not that one');
    await page().keyboard.press('Enter');
    await id('login-refused').waitFor({ timeout: 60_000 });
    // This computer has no keychain: it is not offered.
    await id('no-keychain').waitFor();
    await look('login');
    await id('login-password').fill(STOCK.password);
    await page().keyboard.press('Enter');
    await id('trusted').waitFor({ timeout: 60_000 });
    await id('public-password').waitFor();
    expect(await id('secure-key').isChecked()).toBe(true);
    await look('secure');
  });

  test('left, it stays in the list and is continued', async () => {
    await id('wizard-close').click();
    await wizard().waitFor({ state: 'detached' });
    await id('board-item').filter({ hasText: pynq.address }).click();
    await id('unfinished').waitFor();
    await look('unfinished');
    await id('continue-board').click();
    await step('check');
    await id('doctor').waitFor({ timeout: 60_000 });
  });

  test('examined, and the report saved without a secret', async () => {
    await named('finding', 'strong');
    await look('check');
    const saved = join(pynq.server.folder, 'support.json');
    await answer(saved);
    await id('export-doctor').click();
    await page().getByText('Report saved').waitFor();
    expect(DoctorReport.parse(JSON.parse(readFileSync(saved, 'utf8'))).findings.length).toBeGreaterThan(10);
    await id('wizard-back').click();
    await step('trust');
  });

  test('made somebody’s own: a key is let in, new host keys are pinned, and the password is another', async () => {
    const before = pynq.server.fingerprint;
    // Resumed, it knows the password that it was let in by.
    await id('public-password').waitFor();
    // There is no systemd, and root's password is this computer's.
    for (const one of ['rootPassword', 'services']) await id(`secure-${one}`).uncheck();
    await id('secure-password-field').fill('short');
    expect(await id('secure-go').isDisabled()).toBe(true);
    await id('secure-password-field').fill(NEW_PASSWORD);
    await id('secure-go').click();
    await id('secured').waitFor({ timeout: 60_000 });
    expect(await id('secured').innerText()).toMatch(/SHA256:/);
    expect(await id('secured').innerText()).not.toContain(before);
    expect(readFileSync(join(pynq.server.home, '.ssh/authorized_keys'), 'utf8')).toMatch(/^ssh-ed25519 /);
    await id('board-name').fill('desk');
    await look('secured');
    await id('wizard-next').click();
    await step('check');
    await id('doctor').waitFor({ timeout: 60_000 });
    await wizard().getByText('Set up desk').waitFor();
  });

  test('planned: every step by whom and why', async () => {
    await id('wizard-next').click();
    await step('plan');
    await id('plan').waitFor({ timeout: 60_000 });
    await named('plan-step', 'strong');
    expect(await id('plan-step').count()).toBeGreaterThan(7);
    await look('plan');
  });

  test('cancelled in the middle, and left; nothing runs yet', async () => {
    // The step that makes the service's user waits for us.
    const hold = join(pynq.server.folder, 'hold');
    writeFileSync(hold, 'made-user');
    await id('wizard-next').click();
    await step('install');
    await page().locator('[data-testid=install-step][data-id=user][data-state=running]').waitFor({ timeout: 120_000 });
    await look('install');
    await id('wizard-cancel').click();
    // What it had begun is taken back, by the same sudo.
    rmSync(hold);
    await id('board-cancelled').waitFor({ timeout: 120_000 });
    expect(existsSync(join(pynq.root, 'opt/fabriclens/current'))).toBe(false);
    await look('cancelled');
    await id('wizard-close').click();
    await wizard().waitFor({ state: 'detached' });
  });

  test('after a restart of the application a wrong password for sudo is refused, and the right one finishes what was begun', async () => {
    const { userData } = launched;
    await launched.app.close();
    launched = await launch({ ...pynq.launch, userData });
    await id('rail-workspace.boards').click();
    await id('board-item').filter({ hasText: 'desk' }).click();
    await id('continue-board').click();
    // What was kept in memory is gone: by the key, this time.
    await id('login').waitFor({ timeout: 60_000 });
    await id('login-method').getByText('Key file').click();
    await answer(pynq.keyFile);
    await id('pick-key').click();
    await id('login-go').click();
    await id('trusted').waitFor({ timeout: 60_000 });
    expect(await id('public-password').count()).toBe(0);
    for (const [now, next] of [['check', 'doctor'], ['plan', 'plan']] as const) {
      await id('wizard-next').click();
      await step(now);
      await id(next).waitFor({ timeout: 60_000 });
    }
    await id('wizard-next').click();
    await step('install');
    await id('unlock').waitFor({ timeout: 60_000 });
    await look('unlock');
    await id('unlock-password').fill('not that one');
    await id('unlock-go').click();
    await page().locator('[data-testid=unlock][data-locked=refused]').waitFor({ timeout: 120_000 });
    await look('sudo-refused');
    await id('unlock-password').fill(NEW_PASSWORD);
    await id('unlock-go').click();
    await page().locator('[data-testid=install-step][data-id=upload]:is([data-state=done], [data-state=already])').waitFor({ timeout: 120_000 });
    await step('test', 200_000);
  });

  test('self-tested, and ready', async () => {
    expect(await id('self-test').count()).toBeGreaterThan(0);
    expect(await id('self-test').first().innerText()).toContain('pneumonia');
    await look('self-test');
    await id('wizard-next').click();
    await step('ready');
    await id('ready').getByText('Ready', { exact: true }).waitFor({ timeout: 120_000 });
    await look('ready');
  });

  test('an image is asked through it, and the answer says by whom', async () => {
    await id('ready-boards').click();
    await id('board-item').first().click();
    await id('use-board').click();
    await id('board-item').first().getByText('not in use').waitFor();
    await id('rail-workspace.review').click();
    await id('empty-sample').click();
    await id('series').filter({ hasText: 'opacit' }).click();
    await id('run').or(id('run-anyway')).click();
    await id('results').getByTestId('verdict').waitFor({ timeout: 120_000 });
    await id('running').waitFor({ state: 'detached', timeout: 120_000 });
    expect(['Normal', 'Pneumonia']).toContain((await id('decision-board').innerText()).split('\n')[0]);
    await id('results').getByText(/board desk/).first().waitFor();
    await screenshot(page(), 'boards-review');
  });

  test('in Chinese: the list, the doctor, the log, the plan of an update', async () => {
    await inLanguage('简体中文');
    await id('board-item').filter({ hasText: 'desk' }).click();
    await id('board').getByText('SSH 内的一条数据流').waitFor();
    await look('page-zh');
    await id('doctor-tab').click();
    await id('run-doctor').click();
    await id('doctor').getByText('可以', { exact: true }).first().waitFor({ timeout: 60_000 });
    await named('finding', 'strong');
    await look('doctor-zh');
    await id('logs-tab').click();
    await id('read-logs').click();
    await id('board-log').getByText('pneumonia').waitFor({ timeout: 60_000 });
    await look('log-zh');
    await page().getByRole('tab').first().click();
    await id('update-board').click();
    await step('check');
    await id('doctor').waitFor({ timeout: 60_000 });
    await look('check-zh');
    await id('wizard-next').click();
    await id('plan').getByText('发送安装包').waitFor({ timeout: 60_000 });
    await look('plan-zh');
    await id('wizard-next').click();
    await step('test', 200_000);
    await look('self-test-zh');
    await id('wizard-next').click();
    await step('ready');
    await look('ready-zh');
    await id('wizard-finish').click();
    await inLanguage('English');
  });

  test('a changed host key is a full stop, with both fingerprints, and going on is a second choice', async () => {
    await pynq.server.changeHostKey();
    await id('board-item').filter({ hasText: 'desk' }).click();
    await id('update-board').click();
    await id('changed-key').waitFor({ timeout: 60_000 });
    expect(await id('shown-fingerprint').innerText()).toBe(pynq.server.fingerprint);
    expect(await id('pinned-fingerprint').first().innerText()).not.toBe(pynq.server.fingerprint);
    expect(await id('wizard-next').count()).toBe(0);
    await look('changed');
    await id('stop-here').click();
    await wizard().waitFor({ state: 'detached' });
    await findIt();
    await id('wizard-next').click();
    await id('changed-key').waitFor({ timeout: 60_000 });
    await id('changed-anyway').click();
    expect(await id('trust-changed').isDisabled()).toBe(true);
    await id('compared').check();
    await look('changed-anyway');
    await id('trust-changed').click();
    await id('trusted').or(id('login')).waitFor({ timeout: 60_000 });
    await id('wizard-close').click();
  });

  test('uninstalled after a question that says what goes, and forgotten', async () => {
    await id('board-item').filter({ hasText: 'desk' }).click();
    await id('uninstall').click();
    await id('confirm').getByText('every installed version').waitFor();
    await look('uninstall');
    await id('confirm').getByText('Leave it as it is').click();
    await id('uninstall').click();
    await id('confirm-yes').click();
    await id('board-done').waitFor({ timeout: 120_000 });
    for (const folder of ['opt/fabriclens', 'etc/fabriclens', 'var/lib/fabriclens']) expect(existsSync(join(pynq.root, folder)), folder).toBe(false);
    expect(readdirSync(pynq.server.home)).not.toContain('.fabriclens');
    await id('forget').click();
    await id('confirm-yes').click();
    await expect.poll(() => id('board-item').count()).toBe(1);
  });

  test('a board without SSH is added explicitly, and one that is not there says so', async () => {
    await id('add-direct').click();
    await id('direct-address').fill('127.0.0.1:1');
    await id('direct-certificate').fill('not hexadecimal');
    await id('direct').getByText('64 hexadecimal digits').waitFor();
    await id('direct-certificate').fill('AB:'.repeat(31) + 'AB');
    await id('direct-name').fill('far away');
    await id('direct-token').fill('a-token-of-the-test');
    await look('direct');
    await id('direct-go').click();
    await id('board-item').filter({ hasText: 'far away' }).click();
    await id('board').locator('.callout.warning').getByText('127.0.0.1:1').waitFor({ timeout: 60_000 });
    expect(await id('board').getAttribute('data-state')).toMatch(/^(connecting|lost|absent)$/);
    await look('lost');
  });

  test('no secret is in a file, and nothing went wrong in the page meanwhile', async () => {
    const { stdout } = spawnSync('grep', ['-rlF', '--exclude=sudo-password', NEW_PASSWORD, pynq.server.folder, launched.userData], { encoding: 'utf8' });
    expect(stdout).toBe('');
    expect(launched.log()).not.toContain(NEW_PASSWORD);
    expect(launched.pageErrors()).toEqual([]);
  });
});
