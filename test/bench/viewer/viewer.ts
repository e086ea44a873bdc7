/** A viewer as the benchmark sees it: a page that can be had anew, and what is measured in it. */
import type { Page } from 'playwright';
import { draggedSpots, type Made } from './files.ts';
import type { Drag } from './probe.ts';

export interface Viewer {
  name: string;
  page: Page;
  /** A page that has opened nothing yet. */
  fresh(): Promise<void>;
  /** Shows nothing and asks for no frames. */
  rest(): Promise<void>;
}

/** From the page's being there to the first measurement: what it does by itself after its start is then done (milliseconds). */
const IDLE_MS = 1_000;
/** Moves of a drag, at most, and screen pixels of each. */
const [MOVES, BY] = [120, 20] as const;

/** A fresh page that is given these files. @returns milliseconds to the picture on the screen; `whole`: to the whole frame */
export async function open({ fresh, page }: Viewer, paths: readonly string[], { shape, spots }: Made, whole = false): Promise<number> {
  await fresh();
  await page.waitForTimeout(IDLE_MS);
  await page.setInputFiles('#files', [...paths]);
  return page.evaluate(([s, at, all]) => window.benchProbe.open(s, at, all), [shape, spots, whole] as const);
}

/** Through a stack whose first picture is seen. @returns milliseconds in all */
export const scroll = ({ page }: Viewer, stack: readonly Made[]): Promise<number> => page.evaluate(([shape, spots]) => window.benchProbe.scroll(shape, spots), [stack[0]!.shape, stack.map(({ spots }) => spots)] as const);

export const drag = ({ page }: Viewer, made: Made): Promise<Drag> =>
  page.evaluate(([shape, home, moved, moves, by]) => window.benchProbe.drag(shape, home, moved, moves, by), [made.shape, made.spots, draggedSpots(made, BY), MOVES, BY] as const);
