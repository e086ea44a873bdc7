/** Mouse and keys on the viewport: left does the chosen tool, middle pans, right zooms; the wheel scrolls a stack or zooms; Enter puts a measurement there. */
import { useEffect, type RefObject } from 'react';
import { shownNow } from '../state/panes.ts';
import { isKind } from '../measure/measure.ts';
import type { Tool } from '../state/store.ts';
import { useApp, useViewer } from '../ui/app.ts';
import { fromPane, type Point } from '../viewport/presentation.ts';
import { moveLens } from './lens.ts';
import { sliceKey } from '../viewport/frames.ts';

/** Screen pixels of a drag that make one step in the stack. */
const STEP = 10;
/** Wheel movement that makes one step: a notch of a mouse is 100 to 120. */
const NOTCH = 60;

/** @param pane its index: what is done in it makes it the active one */
export function usePointer(ref: RefObject<HTMLElement | null>, lens: RefObject<HTMLCanvasElement | null>, pane: number): void {
  const { session, viewers, measurer, perform } = useApp();
  const viewer = useViewer();
  useEffect(() => {
    const element = ref.current!;
    let drag: { tool: Tool; x: number; y: number; rest: number; startX: number; startY: number } | null = null;
    let wheel = 0;
    const toolOf = (button: number): Tool => (button === 1 ? 'pan' : button === 2 ? 'zoom' : session.store.get().tool);

    /** A point of the pane as one of the drawn image, within its edges. */
    const onImage = (clientX: number, clientY: number): { key: string; at: Point } | null => {
      const { drawn, toPane, facts } = viewer.view.get();
      if (!drawn || !toPane || !facts) return null;
      const { left, top } = element.getBoundingClientRect();
      const { x, y } = fromPane(toPane, { x: clientX - left, y: clientY - top });
      return { key: sliceKey(drawn), at: { x: Math.min(facts.columns, Math.max(0, x)), y: Math.min(facts.rows, Math.max(0, y)) } };
    };

    /** About the same place of each pane that goes along. */
    const zoom = (factor: number, x: number, y: number): void => {
      const about = viewer.fromCentre({ x, y });
      viewers.move(viewer, (each) => each.zoom(factor, about));
    };

    const down = (event: PointerEvent): void => {
      if (drag) return;
      session.activate(pane);
      element.setPointerCapture(event.pointerId);
      const tool = toolOf(event.button);
      const image = isKind(tool) ? onImage(event.clientX, event.clientY) : null;
      if (image && isKind(tool)) measurer.press(image.key, tool, image.at);
      drag = { tool, x: event.clientX, y: event.clientY, rest: 0, startX: event.clientX, startY: event.clientY };
      if (tool === 'magnifier') moveLens(lens.current!, viewer, { x: event.clientX, y: event.clientY });
      else viewers.setInteracting(viewer, true);
    };
    const move = (event: PointerEvent): void => {
      const image = measurer.store.get().drawing && (!drag || isKind(drag.tool)) ? onImage(event.clientX, event.clientY) : null;
      if (image) measurer.follow(image.key, image.at);
      if (!drag || isKind(drag.tool)) return;
      const dx = event.clientX - drag.x;
      const dy = event.clientY - drag.y;
      drag.x = event.clientX;
      drag.y = event.clientY;
      if (drag.tool === 'magnifier') moveLens(lens.current!, viewer, { x: event.clientX, y: event.clientY });
      else if (drag.tool === 'window') viewers.window(viewer, (each) => each.dragWindow(dx, dy));
      else if (drag.tool === 'pan') viewers.move(viewer, (each) => each.pan(dx, dy));
      else if (drag.tool === 'zoom') zoom(Math.exp(-dy / 150), drag.startX, drag.startY);
      else {
        drag.rest += dy;
        const steps = Math.trunc(drag.rest / STEP);
        drag.rest -= steps * STEP;
        if (steps !== 0) session.scrollBy(steps);
      }
    };
    const up = (event: PointerEvent): void => {
      const image = drag && isKind(drag.tool) ? onImage(event.clientX, event.clientY) : null;
      if (image) measurer.release(image.key, image.at);
      if (drag?.tool === 'magnifier') moveLens(lens.current!, viewer, null);
      drag = null;
      viewers.setInteracting(viewer, false);
    };
    const turn = (event: WheelEvent): void => {
      event.preventDefault();
      session.activate(pane);
      const stack = (shownNow(session.store.get())?.count ?? 0) > 1;
      if (event.ctrlKey || !stack) {
        viewers.setInteracting(viewer, true);
        zoom(Math.exp(-event.deltaY / 400), event.clientX, event.clientY);
        viewers.setInteracting(viewer, false);
        return;
      }
      wheel += event.deltaY;
      if (Math.abs(wheel) < NOTCH) return;
      session.scrollBy(Math.sign(wheel));
      wheel = 0;
    };
    const key = (event: KeyboardEvent): void => {
      const { tool } = session.store.get();
      const { left, top, width, height } = element.getBoundingClientRect();
      if (event.key === 'Escape' && (measurer.cancel() || measurer.store.get().selected)) measurer.deselect();
      else if (event.key === 'Enter' && isKind(tool)) {
        const image = onImage(left + width / 2, top + height / 2);
        const { toPane, facts } = viewer.view.get();
        // A quarter of what is seen, or of the image.
        if (image && toPane && facts) measurer.place(image.key, tool, image.at, Math.min(Math.min(width, height) / Math.hypot(toPane.a, toPane.b), facts.columns, facts.rows) / 4);
      } else return;
      event.preventDefault();
    };
    const twice = (): void => {
      // The second press of a measuring tool is a point.
      const { tool } = session.store.get();
      if (!isKind(tool) && tool !== 'magnifier') perform('pane.maximise');
    };
    const noMenu = (event: Event): void => event.preventDefault();
    element.addEventListener('pointerdown', down);
    element.addEventListener('pointermove', move);
    element.addEventListener('pointerup', up);
    element.addEventListener('pointercancel', up);
    element.addEventListener('wheel', turn, { passive: false });
    element.addEventListener('keydown', key);
    element.addEventListener('dblclick', twice);
    element.addEventListener('contextmenu', noMenu);
    return () => {
      element.removeEventListener('pointerdown', down);
      element.removeEventListener('pointermove', move);
      element.removeEventListener('pointerup', up);
      element.removeEventListener('pointercancel', up);
      element.removeEventListener('wheel', turn);
      element.removeEventListener('keydown', key);
      element.removeEventListener('dblclick', twice);
      element.removeEventListener('contextmenu', noMenu);
    };
  }, [ref, lens, pane, session, viewers, viewer, measurer, perform]);
}
