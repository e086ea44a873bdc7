/** The magnifier: what is under the pointer, enlarged, in a round glass that goes with it. */
import type { Point } from '../viewport/presentation.ts';
import type { Viewer } from '../viewport/viewer.ts';

/** Client pixels across, and how much larger than the image around it. */
const SIZE = 220;
const FACTOR = 2.5;

/** Over the pane's `client` point, or away with null. */
export function moveLens(lens: HTMLCanvasElement, viewer: Viewer, client: Point | null): void {
  lens.hidden = client === null;
  if (!client) return;
  const { left, top } = lens.parentElement!.getBoundingClientRect();
  lens.style.width = lens.style.height = `${SIZE}px`;
  lens.style.left = `${client.x - left - SIZE / 2}px`;
  lens.style.top = `${client.y - top - SIZE / 2}px`;
  const dots = Math.round(SIZE * window.devicePixelRatio);
  if (lens.width !== dots) lens.width = lens.height = dots;
  viewer.magnify(lens, client, FACTOR);
}
