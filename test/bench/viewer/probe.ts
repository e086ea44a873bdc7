/**
 * What runs in the page of each viewer, the same for all: acts, and looks at the canvas after every frame until the right greys are on it. A time ends
 * when the frame that drew them has been handed to the screen: its callbacks, its layout and its painting are behind it.
 */
import type { Shape, Spot } from './files.ts';

/** What a viewer's page does for the benchmark; each page brings its own. */
export interface Page {
  /** Where the image is drawn now; null where nothing is yet. */
  canvas(): HTMLCanvasElement | null;
  /** Whether what is drawn is the whole frame, where a smaller picture of it may come first. */
  whole?(): boolean;
  open(files: File[]): void;
  /** Until the pictures have their places, where they come in no order. */
  settled?(): Promise<void>;
  /** The `position`th picture of the stack, from 0. */
  go(position: number): void;
  /** Begins, goes on with and ends a drag of the window by screen pixels downwards. */
  press(): void;
  drag(down: number): void;
  release(): void;
}

export interface Probe {
  /** Hands over the files chosen in the page's `#files`. @returns milliseconds to the right greys on the screen; `whole`: of the whole frame */
  open(shape: Shape, spots: readonly Spot[], whole: boolean): Promise<number>;
  /** One picture after another, each as soon as the one before is seen. @returns milliseconds in all */
  scroll(shape: Shape, stack: readonly (readonly Spot[])[]): Promise<number>;
  /** A move of `by` pixels a frame, there and back, at most `moves` times; `moved` are the greys after one. Whoever takes long is asked for fewer. */
  drag(shape: Shape, home: readonly Spot[], moved: readonly Spot[], moves: number, by: number): Promise<Drag>;
}

export interface Drag {
  /** Milliseconds from one picture to the next different one: the drag's time over their number. */
  frameMs: number;
  /** Milliseconds from a move to its greys on the canvas, a median: one move at a time. */
  lagMs: number;
}

declare global {
  interface Window {
    benchPage: Page;
    benchProbe: Probe;
  }
}

/** Self-contained: its text is handed to the page. */
export function installProbe(): void {
  const TOLERANCE = 4;
  const DEADLINE_MS = 60_000;
  /** Of a drag's moves, each of its two halves, but for the first of them. */
  const ENOUGH_MS = 4_000;
  /** Until a frame has been handed over: the first task after its callbacks and what is drawn from them. */
  const { port1, port2 } = new MessageChannel();
  const frame = (): Promise<void> => new Promise((resolve) => {
    port1.onmessage = () => resolve();
    requestAnimationFrame(() => port2.postMessage(null));
  });

  /** The grey drawn at a pixel of an image that is fitted and centred; -1 where nothing can be read. */
  const greyAt = (shape: Shape, { x, y }: { x: number; y: number }): number => {
    const canvas = window.benchPage.canvas();
    if (!canvas?.width || !canvas.height) return -1;
    const scale = Math.min(canvas.width / shape.columns, canvas.height / shape.rows);
    const left = (canvas.width - shape.columns * scale) / 2;
    const top = (canvas.height - shape.rows * scale) / 2;
    const [red, green, blue, alpha] = canvas.getContext('2d')!.getImageData(Math.floor(left + (x + 0.5) * scale), Math.floor(top + (y + 0.5) * scale), 1, 1).data;
    return alpha === 255 && red === green && green === blue ? red! : -1;
  };
  const right = (shape: Shape, spots: readonly Spot[]): boolean => spots.every((spot) => Math.abs(greyAt(shape, spot) - spot.grey) <= TOLERANCE);

  const until = async (shape: Shape, spots: readonly Spot[], what: string): Promise<void> => {
    const start = performance.now();
    while (!right(shape, spots)) {
      if (performance.now() - start > DEADLINE_MS) {
        throw new Error(`${what}: not the right greys within ${DEADLINE_MS / 1000} s: ${spots.map((spot) => `${greyAt(shape, spot)} for ${Math.round(spot.grey)}`).join(', ')}`);
      }
      // Whoever asks for every frame takes them from the workers that the picture waits for.
      await new Promise((resolve) => setTimeout(resolve, 1));
      await frame();
    }
  };

  window.benchProbe = {
    async open(shape, spots, whole) {
      const files = [...document.querySelector<HTMLInputElement>('#files')!.files!];
      const start = performance.now();
      window.benchPage.open(files);
      await until(shape, spots, 'opening');
      while (whole && window.benchPage.whole?.() === false) await frame();
      return performance.now() - start;
    },
    async scroll(shape, stack) {
      const start = performance.now();
      await window.benchPage.settled?.();
      for (const [position, spots] of stack.entries()) {
        window.benchPage.go(position);
        await frame();
        await until(shape, spots, `picture ${position + 1}`);
      }
      return performance.now() - start;
    },
    async drag(shape, home, moved, moves, by) {
      const [watched] = home as [Spot];
      const page = window.benchPage;
      // There and back about the beginning, where every 40th move ends.
      const step = (i: number): number => (Math.floor((i + 10) / 20) % 2 === 0 ? by : -by);
      page.press();
      await frame();
      let seen = 0;
      let last = greyAt(shape, watched);
      const start = performance.now();
      for (let i = 0; i < moves && (i % 40 !== 0 || performance.now() - start < ENOUGH_MS); i++) {
        page.drag(step(i));
        await frame();
        const now = greyAt(shape, watched);
        if (Math.abs(now - last) >= 2) seen++;
        last = now;
      }
      const frameMs = (performance.now() - start) / seen;
      await until(shape, home.slice(0, 1), 'back from the drag');
      const lags: number[] = [];
      const again = performance.now();
      for (let i = 0; i < moves && (i % 2 !== 0 || performance.now() - again < ENOUGH_MS); i++) {
        const from = performance.now();
        page.drag(i % 2 === 0 ? by : -by);
        await frame();
        await until(shape, (i % 2 === 0 ? moved : home).slice(0, 1), 'a move of the window');
        lags.push(performance.now() - from);
      }
      page.release();
      await until(shape, home, 'after the drag');
      return { frameMs, lagMs: lags.sort((a, b) => a - b)[lags.length >> 1]! };
    },
  };
}
