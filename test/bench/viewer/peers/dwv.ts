/** dwv as its documentation shows it: an App with one view, files through `loadFiles`. */
import { App, AppOptions, Index, ViewConfig, WindowLevel, type ViewController } from 'dwv';
import type { Page } from '../probe.ts';

export function dwvPage(pane: HTMLElement): Page {
  pane.id = 'layerGroup0';
  const app = new App();
  app.init(new AppOptions({ '*': [new ViewConfig('layerGroup0')] }));
  const controller = (): ViewController => app.getLayerGroupByDivId('layerGroup0')!.getActiveViewLayer()!.getViewController();
  let window_ = { center: 0, width: 1 };
  return {
    canvas: () => pane.querySelector('canvas'),
    open: (files) => void app.loadFiles(files),
    // A picture that is not loaded yet cannot be gone to: asked again in every frame until it can.
    go(position) {
      const attempt = (): void => {
        if (!controller().setCurrentIndex(new Index([0, 0, position]))) requestAnimationFrame(attempt);
      };
      if (controller().getCurrentIndex().get(2) !== position) attempt();
    },
    press() {
      const { center, width } = controller().getWindowLevel();
      window_ = { center, width };
    },
    drag(down) {
      window_.center += (down * window_.width) / 500;
      controller().setWindowLevel(new WindowLevel(window_.center, window_.width));
    },
    release() {},
  };
}
