/** Our window, driven as a reader drives it: files are dropped on it, a window is dragged with the pointer, a stack is scrolled with its key. */
import type { Page } from 'playwright';
import { installProbe } from './probe.ts';
import type { Viewer } from './viewer.ts';

/** Self-contained: its text is handed to the page. */
function installOurs(): void {
  const pane = (): HTMLElement => document.querySelector<HTMLElement>('[data-testid="viewport"]')!;
  const pointer = (type: string, y: number): void => void pane().dispatchEvent(new PointerEvent(type, { bubbles: true, pointerId: 1, button: type === 'pointermove' ? -1 : 0, buttons: 1, clientX: 700, clientY: y }));
  let y = 400;
  let [shown, handed] = [0, 0];
  // An event that was made by a page has no pointer to capture.
  HTMLElement.prototype.setPointerCapture = () => {};
  const input = Object.assign(document.createElement('input'), { id: 'files', type: 'file', multiple: true, hidden: true });
  document.body.append(input);
  window.benchPage = {
    canvas: () => document.querySelector('[data-testid="viewport"] canvas'),
    whole: () => document.querySelector('.pane[data-status=shown]') !== null,
    open(files) {
      const dataTransfer = new DataTransfer();
      for (const file of files) dataTransfer.items.add(file);
      window.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
      [shown, handed] = [0, files.length];
    },
    async settled() {
      const open = async (): Promise<number> => (await window.fabriclens.call('library.get', {})).studies.flatMap(({ series }) => series).reduce((sum, { instances }) => sum + instances.length, 0);
      while ((await open()) < handed) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    go(position) {
      for (; shown < position; shown++) pane().dispatchEvent(new WheelEvent('wheel', { bubbles: true, cancelable: true, deltaY: 100 }));
    },
    press: () => pointer('pointerdown', (y = 400)),
    drag: (down) => pointer('pointermove', (y += down)),
    release: () => pointer('pointerup', y),
  };
}

/** When all is read: what comes after a study was closed would open it again. */
export async function closeAll(page: Page): Promise<void> {
  await page.getByTestId('scan').first().waitFor({ state: 'hidden' });
  await page.evaluate(async () => {
    const { studies } = await window.fabriclens.call('library.get', {});
    for (const { uid } of studies) await window.fabriclens.call('library.close', { studyUid: uid });
  });
  await page.getByTestId('empty-sample').waitFor();
}

export async function ourViewer(page: Page): Promise<Viewer> {
  await page.addInitScript(installProbe);
  return {
    name: 'FabricLens',
    page,
    rest: () => closeAll(page),
    async fresh() {
      await closeAll(page);
      await page.reload();
      await page.getByTestId('empty-sample').waitFor();
      await page.evaluate(installOurs);
    },
  };
}
