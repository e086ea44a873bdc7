/** The real window while a folder comes in: how long its page stands still, when the first image is seen, what memory it takes, and how soon a cancel is done. */
import { launch, type Launched } from '../e2e/launch.ts';

export interface WindowImport {
  seconds: number;
  firstImageMs: number;
  /** Longest time between two frames of the page, in ms, and how many were longer than LATE_MS. */
  stillMs: number;
  late: number;
  /** MiB of all its processes at most (resident; pages that they share count for each). */
  memory: number;
  cancelMs: number;
}

export const LATE_MS = 100;
const IMPORT_MS = 300_000;

interface Watched {
  longest: number;
  late: number;
  firstImage: number;
}

/** In the page: watches every frame from now on. */
function watch(late: number): void {
  const seen: Watched = { longest: 0, late: 0, firstImage: 0 };
  Object.assign(window, { watched: seen });
  const start = performance.now();
  let last = start;
  const frame = (now: number): void => {
    seen.longest = Math.max(seen.longest, now - last);
    if (now - last > late) seen.late++;
    last = now;
    if (seen.firstImage === 0 && document.querySelector('.pane[data-status=shown]')) seen.firstImage = performance.now() - start;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

async function opened(folder: string): Promise<Launched> {
  const launched = await launch();
  await launched.app.evaluate(({ dialog }, filePaths) => {
    dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths });
  }, [folder]);
  await launched.page.getByTestId('empty-sample').click({ trial: true });
  await launched.page.evaluate(watch, LATE_MS);
  await launched.page.keyboard.press('Control+Shift+O');
  await launched.page.getByTestId('scan').first().waitFor();
  return launched;
}

export async function benchImport(folder: string, say: (line: string) => void): Promise<WindowImport> {
  say('the window opens the folder');
  const start = performance.now();
  const { app, page, close } = await opened(folder);
  try {
    let peak = 0;
    const deadline = start + IMPORT_MS;
    while (await page.getByTestId('scan').first().isVisible()) {
      if (performance.now() > deadline) throw new Error(`the import is not done after ${IMPORT_MS / 1000} s`);
      peak = Math.max(peak, await app.evaluate(({ app: electron }) => electron.getAppMetrics().reduce((sum, { memory }) => sum + memory.workingSetSize, 0) / 1024));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const seconds = (performance.now() - start) / 1000;
    await page.locator('.pane[data-status=shown]').first().waitFor();
    const { longest, late, firstImage } = await page.evaluate(() => (window as unknown as { watched: Watched }).watched);
    return { seconds, firstImageMs: firstImage, stillMs: longest, late, memory: peak, cancelMs: await cancelled(folder, say) };
  } finally {
    await close();
  }
}

async function cancelled(folder: string, say: (line: string) => void): Promise<number> {
  say('and once more, cancelled');
  const { page, close } = await opened(folder);
  try {
    const start = performance.now();
    await page.getByTestId('cancel-import').first().click();
    await page.getByTestId('scan').first().waitFor({ state: 'hidden' });
    return performance.now() - start;
  } finally {
    await close();
  }
}
