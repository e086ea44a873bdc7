/** A model of one's own, from an ONNX file and images through the wizard to three engines; cancelled midway; removed. In both languages, and for everyone. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import type { Locator, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeOnnx } from '../../src/compiler/onnx-write.ts';
import { AddModelReport } from '../../src/contract/report.ts';
import { imageOf } from '../networks/inputs.ts';
import { Torch, UNIT } from '../networks/torch.ts';
import { ROOT } from '../support/data.ts';
import { smallDicom } from '../support/small-dicom.ts';
import { screenshot, withApp, type Launched } from './app.ts';

const SIDE = 32;
const IMAGES = 24;
const folder = mkdtempSync(join(tmpdir(), 'fabriclens-e2e-'));
const images = join(folder, 'images');
const network = join(folder, 'Shapes net.onnx');
const broken = join(folder, 'broken.onnx');
// The shipped model, as packages were before they had reports.
const shipped = join(folder, 'shipped');
cpSync(join(ROOT, 'models/pneumonia'), join(shipped, 'pneumonia'), { recursive: true, filter: (path) => !path.endsWith('report.json') });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** ResNet-8 in small: three stages of a residual block, grey 32 × 32, three classes, random weights. */
function resnet8(): Uint8Array {
  const net = new Torch({ style: 'scoped', opset: 17, seed: 8 });
  let x = net.relu('relu', net.convNorm('conv1', 'bn1', net.input('image', [1, 1, SIDE, SIDE], UNIT), { out: 16, kernel: 3 }));
  [16, 32, 64].forEach((out, stage) => {
    const stride = stage === 0 ? 1 : 2;
    const at = (name: string): string => `layer${stage + 1}/${name}`;
    const y = net.convNorm(at('conv2'), at('bn2'), net.relu(at('relu'), net.convNorm(at('conv1'), at('bn1'), x, { out, kernel: 3, stride })), { out, kernel: 3, gain: 0.5 });
    x = net.relu(at('relu2'), net.add(at('add'), y, stage === 0 ? x : net.convNorm(at('downsample'), at('bnd'), x, { out, kernel: 1, stride })));
  });
  return writeOnnx(net.classifier(net.linear('fc', net.flatten('flat', net.globalAverage('pool', x)), 3, 4)));
}

beforeAll(() => {
  mkdirSync(images);
  writeFileSync(network, resnet8());
  writeFileSync(broken, 'These are no weights.');
  for (let i = 0; i < IMAGES; i++) {
    const greys = imageOf([1, 1, SIDE, SIDE], 100 + i, 'unit');
    writeFileSync(join(images, `shape-${i}.dcm`), smallDicom({ rows: SIDE, columns: SIDE, pixel: (p) => Math.round(4095 * greys[p]!), seriesUid: `1.2.3.4.${10 + i}`, seriesNumber: i + 1, sopInstanceUid: `1.2.3.4.500.${i}` }));
  }
});

async function axe(page: Page): Promise<string[]> {
  const { violations, passes } = await new AxeBuilder({ page }).setLegacyMode(true).analyze();
  expect(passes.length).toBeGreaterThan(5);
  return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
}

describe('a model of one’s own', { timeout: 240_000 }, () => {
  const app = withApp({ args: ['--models', shipped, join(images, 'shape-3.dcm')] });
  const own = (): string => join(app().userData, 'models');
  const wizard = (page: Page): Locator => page.getByTestId('wizard');
  const step = (page: Page, name: string): Promise<void> => page.locator(`[data-testid=wizard][data-step=${name}]`).waitFor({ timeout: 180_000 });
  /** The next dialog of the system is answered with `path`; null: it is cancelled. */
  const answer = async ({ app: electron }: Launched, path: string | null): Promise<void> => {
    await electron.evaluate(({ dialog }, chosen) => {
      dialog.showOpenDialog = () => Promise.resolve({ canceled: chosen === null, filePaths: chosen === null ? [] : [chosen] });
      dialog.showSaveDialog = () => Promise.resolve({ canceled: chosen === null, filePath: chosen ?? '' });
    }, path);
  };
  const pick = async (what: 'onnx' | 'metadata' | 'samples', path: string | null): Promise<void> => {
    await answer(app(), path);
    await app().page.getByTestId(`pick-${what}`).click();
  };
  const next = (): Promise<void> => app().page.getByTestId('wizard-next').click();

  test('a package without a report says how to get one', async () => {
    const { page } = app();
    await page.getByTestId('rail-workspace.models').click();
    await page.getByTestId('report-tab').click();
    await page.getByTestId('no-report').getByText('Add a model').waitFor();
    expect(await page.getByTestId('remove-model').count()).toBe(0);
    expect(await axe(page)).toEqual([]);
  });

  test('a file that is no network is refused in its place, and another can be chosen', async () => {
    const { page } = app();
    await page.getByTestId('add-model').click();
    await step(page, 'file');
    expect(await page.getByTestId('wizard-next').isDisabled()).toBe(true);
    await pick('onnx', null);
    expect(await page.getByTestId('wizard-next').isDisabled()).toBe(true);
    await pick('onnx', broken);
    await wizard(page).getByText('broken.onnx').waitFor();
    await next();
    await page.getByTestId('wizard-failure').waitFor({ timeout: 60_000 });
    expect(await axe(page)).toEqual([]);
    await pick('onnx', network);
    await wizard(page).getByText('Shapes net.onnx').waitFor();
    await screenshot(page, 'models-wizard-file');
  });

  test('Esc asks before anything is lost', async () => {
    const { page } = app();
    await wizard(page).press('Escape');
    await page.getByTestId('confirm').getByText('Discard this model?').waitFor();
    expect(await axe(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByTestId('confirm').waitFor({ state: 'detached' });
    await wizard(page).getByText('Shapes net.onnx').waitFor();
  });

  test('what the file says is filled in, guesses are marked, faults stand at their fields', async () => {
    const { page } = app();
    await next();
    await step(page, 'describe');
    expect(await page.getByTestId('field-name').inputValue()).toBe('Shapes-net');
    for (const field of ['labels', 'preprocessing', 'modalities']) await page.getByTestId(`guess-${field}`).waitFor();
    await page.getByTestId('field-name').fill('pneumonia');
    await page.getByTestId('field-labels').fill('round\nsquare');
    await next();
    await page.getByText('There is a model of this name already.').waitFor();
    await page.getByText('The network has another number of classes.').waitFor();
    await page.getByTestId('field-name').fill('shapes');
    await page.getByTestId('field-title').fill('Shapes');
    await page.getByTestId('field-labels').fill('round\nsquare\nother');
    expect(await page.getByTestId('guess-labels').count()).toBe(0);
    expect(await axe(page)).toEqual([]);
    await screenshot(page, 'models-wizard-describe');
    await next();
    await step(page, 'samples');
  });

  test('cancelled midway, nothing is left', async () => {
    const { page } = app();
    await pick('samples', images);
    await wizard(page).getByText(`${IMAGES} files`).waitFor();
    expect(await axe(page)).toEqual([]);
    await screenshot(page, 'models-wizard-samples');
    await next();
    await step(page, 'make');
    await page.getByTestId('parts').getByText(/Reading images|Calibrating/).first().waitFor({ timeout: 60_000 });
    await page.getByTestId('wizard-cancel').click();
    await page.getByTestId('wizard-cancelled').waitFor({ timeout: 60_000 });
    expect(readdirSync(own())).toEqual([]);
    await page.getByTestId('wizard-back').click();
    await step(page, 'samples');
  });

  test('a process that dies midway leaves nothing, and is named', async () => {
    const { page, app: electron } = app();
    await next();
    await step(page, 'make');
    await page.getByTestId('parts').getByText(/Calibrating|Trying|Comparing/).first().waitFor({ timeout: 60_000 });
    await electron.evaluate(({ app: main }) => process.kill(main.getAppMetrics().find(({ name, serviceName }) => name === 'FabricLens models' || serviceName === 'FabricLens models')!.pid, 'SIGKILL'));
    await page.getByTestId('wizard-failure').getByText('stopped unexpectedly').waitFor({ timeout: 60_000 });
    expect(readdirSync(own())).toEqual([]);
    await page.getByTestId('wizard-back').click();
    await step(page, 'samples');
  });

  test('made: parts, then the report', async () => {
    const { page } = app();
    await page.getByTestId('method').getByText('Min–max').click();
    await next();
    await step(page, 'make');
    await page.getByTestId('parts').getByText(/Calibrating|Comparing layers|Proving/).first().waitFor({ timeout: 120_000 });
    await screenshot(page, 'models-wizard-make');
    await step(page, 'report');
    expect(readdirSync(own())).toEqual(['shapes']);
    const report = AddModelReport.parse(JSON.parse(readFileSync(join(own(), 'shapes/report.json'), 'utf8')));
    expect(report.proof.rule.state).toBe('kept');
    await page.getByTestId('proof').getByText('The program computes what the quantised network says').waitFor();
    expect(await page.getByTestId('layers').locator('tbody tr').count()).toBe(report.layers.length);
    await page.getByTestId('advice').locator('li').first().waitFor();
    expect(await axe(page)).toEqual([]);
    await screenshot(page, 'models-wizard-report');
  });

  test('deployed to the virtual board', async () => {
    const { page } = app();
    await next();
    await step(page, 'deploy');
    await page.getByTestId('wizard-deploy').click();
    await page.getByTestId('deployed').getByText('Virtual board runs it').waitFor({ timeout: 60_000 });
    expect(await axe(page)).toEqual([]);
    await screenshot(page, 'models-wizard-deploy');
    await page.getByTestId('wizard-finish').click();
    await wizard(page).waitFor({ state: 'detached' });
  });

  test('the report stays with the model: its table sorts, its picture names a layer, it is saved as JSON', async () => {
    const { page } = app();
    await page.getByTestId('report-tab').click();
    await page.getByTestId('report').waitFor();
    const layers = page.getByTestId('layers');
    await layers.getByRole('button', { name: 'Cycles' }).click();
    await layers.locator('th[aria-sort=descending]').waitFor();
    const cycles = (await layers.locator('tbody tr').evaluateAll((rows) => rows.map((row) => Number((row.children[5] as HTMLElement).innerText.replaceAll(',', ''))))).filter(Number.isFinite);
    expect(cycles.length).toBeGreaterThan(3);
    expect(cycles).toEqual(cycles.toSorted((a, b) => b - a));
    await page.getByTestId('roofline').getByRole('option').first().focus();
    await page.getByTestId('roofline-point').getByText('MAC a cycle').waitFor();
    const named = await page.getByTestId('roofline-point').innerText();
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => page.getByTestId('roofline-point').innerText()).not.toBe(named);
    const saved = join(folder, 'saved.json');
    await answer(app(), saved);
    await page.getByTestId('export-report').click();
    await page.getByText('Report saved.').waitFor();
    expect(AddModelReport.parse(JSON.parse(readFileSync(saved, 'utf8'))).model).toBe('shapes');
    await page.getByTestId('deploy-model').click();
    await page.getByText('Virtual board runs Shapes').waitFor();
  });

  test('three engines run it on an image', async () => {
    const { page } = app();
    await page.getByTestId('rail-workspace.review').click();
    await page.locator('.pane[data-status=shown]').waitFor();
    await page.getByTestId('run').or(page.getByTestId('run-anyway')).click();
    await page.getByTestId('results').waitFor({ timeout: 60_000 });
    for (const engine of ['cpu-fp32', 'cpu-int8', 'board']) expect(['round', 'square', 'other', 'below threshold']).toContain((await page.getByTestId(`decision-${engine}`).innerText()).split('\n')[0]);
  });

  test('in Chinese, at 1280 × 720 and larger', async () => {
    const { page, app: electron } = app();
    await page.getByTestId('rail-workspace.settings').click();
    await page.getByText('简体中文', { exact: true }).click();
    await page.getByTestId('rail-workspace.models').click();
    await page.getByTestId('report-tab').click();
    await page.getByTestId('report').getByText('屋顶线图').first().waitFor();
    expect(await axe(page)).toEqual([]);
    for (const [width, height] of [[1280, 720], [1760, 1100]] as const) {
      await electron.evaluate(({ BrowserWindow }, size) => BrowserWindow.getAllWindows()[0]!.setContentSize(size[0], size[1]), [width, height] as const);
      await screenshot(page, `models-report-zh-${width}`);
      await page.getByTestId('layers').scrollIntoViewIfNeeded();
      await screenshot(page, `models-layers-zh-${width}`);
    }
    await page.getByTestId('add-model').click();
    await pick('onnx', network);
    await next();
    await step(page, 'describe');
    expect(await axe(page)).toEqual([]);
    await screenshot(page, 'models-wizard-zh');
    await page.getByTestId('wizard-close').click();
    await page.getByTestId('confirm-yes').click();
    await wizard(page).waitFor({ state: 'detached' });
    await page.getByTestId('rail-workspace.settings').click();
    await page.getByText('English', { exact: true }).click();
  });

  test('removed, after a question', async () => {
    const { page } = app();
    await page.getByTestId('rail-workspace.models').click();
    await page.getByTestId('remove-model').click();
    await page.getByTestId('confirm').getByText('Keep it').click();
    expect(existsSync(join(own(), 'shapes'))).toBe(true);
    await page.getByTestId('remove-model').click();
    await page.getByTestId('confirm-yes').click();
    await page.getByText('Shapes was removed.').waitFor();
    expect(readdirSync(own())).toEqual([]);
    await page.getByTestId('remove-model').waitFor({ state: 'detached' });
  });

  test('nothing went wrong in the page meanwhile', () => expect(app().pageErrors()).toEqual([]));
});
