/** Mouse on the viewport: left does the chosen tool, middle pans, right zooms; the wheel scrolls a stack or zooms. */
import { useEffect, type RefObject } from 'react';
import { shownOf } from '../state/selectors.ts';
import type { Tool } from '../state/store.ts';
import { useApp } from '../ui/app.ts';

/** Screen pixels of a drag that make one step in the stack. */
const STEP = 10;
/** Wheel movement that makes one step: a notch of a mouse is 100 to 120. */
const NOTCH = 60;

export function usePointer(ref: RefObject<HTMLElement | null>): void {
  const { session, viewer } = useApp();
  useEffect(() => {
    const element = ref.current!;
    let drag: { tool: Tool; x: number; y: number; rest: number; startX: number; startY: number } | null = null;
    let wheel = 0;
    const toolOf = (button: number): Tool => (button === 1 ? 'pan' : button === 2 ? 'zoom' : session.store.get().tool);

    const down = (event: PointerEvent): void => {
      if (drag) return;
      element.setPointerCapture(event.pointerId);
      drag = { tool: toolOf(event.button), x: event.clientX, y: event.clientY, rest: 0, startX: event.clientX, startY: event.clientY };
      viewer.setInteracting(true);
    };
    const move = (event: PointerEvent): void => {
      if (!drag) return;
      const dx = event.clientX - drag.x;
      const dy = event.clientY - drag.y;
      drag.x = event.clientX;
      drag.y = event.clientY;
      if (drag.tool === 'window') viewer.dragWindow(dx, dy);
      else if (drag.tool === 'pan') viewer.pan(dx, dy);
      else if (drag.tool === 'zoom') viewer.zoom(Math.exp(-dy / 150), { x: drag.startX, y: drag.startY });
      else {
        drag.rest += dy;
        const steps = Math.trunc(drag.rest / STEP);
        drag.rest -= steps * STEP;
        if (steps !== 0) session.scrollBy(steps);
      }
    };
    const up = (): void => {
      drag = null;
      viewer.setInteracting(false);
    };
    const turn = (event: WheelEvent): void => {
      event.preventDefault();
      const { library, selection } = session.store.get();
      const stack = (shownOf(library, selection)?.count ?? 0) > 1;
      if (event.ctrlKey || !stack) {
        viewer.setInteracting(true);
        viewer.zoom(Math.exp(-event.deltaY / 400), { x: event.clientX, y: event.clientY });
        viewer.setInteracting(false);
        return;
      }
      wheel += event.deltaY;
      if (Math.abs(wheel) < NOTCH) return;
      session.scrollBy(Math.sign(wheel));
      wheel = 0;
    };
    const noMenu = (event: Event): void => event.preventDefault();
    element.addEventListener('pointerdown', down);
    element.addEventListener('pointermove', move);
    element.addEventListener('pointerup', up);
    element.addEventListener('pointercancel', up);
    element.addEventListener('wheel', turn, { passive: false });
    element.addEventListener('contextmenu', noMenu);
    return () => {
      element.removeEventListener('pointerdown', down);
      element.removeEventListener('pointermove', move);
      element.removeEventListener('pointerup', up);
      element.removeEventListener('pointercancel', up);
      element.removeEventListener('wheel', turn);
      element.removeEventListener('contextmenu', noMenu);
    };
  }, [ref, session, viewer]);
}
