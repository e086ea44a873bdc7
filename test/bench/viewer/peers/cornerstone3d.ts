/** cornerstone3D as its documentation shows it: a rendering engine with a stack viewport, files through its file manager. */
import { Enums, init, RenderingEngine, setUseCPURendering, type StackViewport } from '@cornerstonejs/core';
import { init as initLoader, wadouri } from '@cornerstonejs/dicom-image-loader';
import type { Page } from '../probe.ts';

export async function cornerstonePage(pane: HTMLElement, cpu: boolean): Promise<Page> {
  await init();
  if (cpu) setUseCPURendering(true);
  // As many workers as ours has at most; its own choice is half the cores.
  initLoader({ maxWebWorkers: Math.min(4, Math.max(2, navigator.hardwareConcurrency - 1)) });
  const engine = new RenderingEngine('bench');
  engine.enableElement({ viewportId: 'pane', type: Enums.ViewportType.STACK, element: pane as HTMLDivElement });
  const viewport = engine.getViewport('pane') as StackViewport;
  let window_ = { center: 0, width: 1 };
  return {
    canvas: () => pane.querySelector('canvas'),
    open(files) {
      const ids = files.map((file) => wadouri.fileManager.add(file));
      void viewport.setStack(ids, 0).then(() => viewport.render());
    },
    go: (position) => void viewport.setImageIdIndex(position),
    press() {
      const { lower, upper } = viewport.getProperties().voiRange!;
      window_ = { center: (lower + upper + 1) / 2, width: upper - lower + 1 };
    },
    drag(down) {
      window_.center += (down * window_.width) / 500;
      viewport.setProperties({ voiRange: { lower: window_.center - window_.width / 2, upper: window_.center + window_.width / 2 - 1 } });
      viewport.render();
    },
    release() {},
  };
}
