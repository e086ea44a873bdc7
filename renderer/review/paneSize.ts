/** How large the pane is that something is drawn over. */
import { useLayoutEffect, useState, type RefObject } from 'react';
import type { Size, ToPane } from '../viewport/presentation.ts';

/** `over` fills the pane; without end before it is measured. The image is drawn anew when the pane changes, and its size is asked for again. */
export function usePaneSize(over: RefObject<SVGSVGElement | null>, toPane: ToPane | null, seen: boolean): Size {
  const [pane, setPane] = useState<Size>({ width: Infinity, height: Infinity });
  useLayoutEffect(() => {
    if (!over.current) return;
    const { clientWidth: width, clientHeight: height } = over.current;
    setPane((before) => (before.width === width && before.height === height ? before : { width, height }));
  }, [over, toPane, seen]);
  return pane;
}
