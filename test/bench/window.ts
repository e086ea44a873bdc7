/**
 * The window as its user waits for it: from launch to a page that answers, and from asking for a study to its first pixel. Each run is a
 * fresh start with a fresh user folder. Playwright's own attaching is within the start, so the true figure is a little smaller.
 */
import { existsSync } from 'node:fs';
import { p50p95 } from '../../src/review/statistics.ts';
import { electronExecutable, launch } from '../e2e/launch.ts';
import type { Row } from './table.ts';

const START_AIM_MS = 2_000;

/** Clicks the sample and looks at the viewport's canvas in every frame until something is drawn on it. */
function openToFirstPixel(): Promise<number> {
  const start = performance.now();
  document.querySelector<HTMLElement>('[data-testid="empty-sample"]')!.click();
  const painted = (): boolean => {
    const canvas = document.querySelector<HTMLCanvasElement>('[data-testid="viewport"] canvas');
    if (!canvas?.width || !canvas.height) return false;
    const { data } = canvas.getContext('2d')!.getImageData(canvas.width >> 1, 0, 1, canvas.height);
    return data.some((value, index) => index % 4 !== 3 && value > 16);
  };
  return new Promise((resolve) => {
    const look = (): void => (painted() ? resolve(performance.now() - start) : void requestAnimationFrame(look));
    look();
  });
}

export async function benchWindow(runs: number, say: (line: string) => void): Promise<Row[]> {
  if (process.platform === 'linux' && !process.env['DISPLAY']) {
    say('window: no display, not measured (xvfb-run -a npm run bench)');
    return [];
  }
  if (!existsSync(electronExecutable())) throw new Error('no Electron runtime');
  const start: number[] = [];
  const pixel: number[] = [];
  for (let i = 0; i < runs; i++) {
    say(`window ${i + 1} of ${runs}`);
    const from = performance.now();
    const { page, close } = await launch();
    try {
      await page.getByTestId('empty-sample').click({ trial: true });
      start.push(performance.now() - from);
      pixel.push(await page.evaluate(openToFirstPixel));
    } finally {
      await close();
    }
  }
  const row = (name: string, samples: number[]): Row => ({ name, unit: 'ms', ...p50p95(samples), runs, aim: '', met: null });
  const interactive = row('window: start to interactive', start);
  return [{ ...interactive, aim: `< ${START_AIM_MS} ms`, met: interactive.p50 < START_AIM_MS }, row('window: open sample to first pixel', pixel)];
}
