/** Line icons on a 24-unit grid, drawn for this window. */
import type { JSX } from 'react';

const PATHS = {
  review: 'M4 5h16v14H4z M9 5v14 M12.5 15l2.5-4 2 2.5 1-1.2',
  list: 'M4 6h3v3H4z M4 15h3v3H4z M10 7.5h10 M10 16.5h10',
  results: 'M4 5h16v14H4z M4 10h16 M10 5v14',
  models: 'M5 7h4v4H5z M15 5h4v4h-4z M15 15h4v4h-4z M9 9h3v8h3 M12 9V7h3',
  boards: 'M7 7h10v10H7z M10 10h4v4h-4z M9 7V4 M12 7V4 M15 7V4 M9 20v-3 M12 20v-3 M15 20v-3 M7 9H4 M7 12H4 M7 15H4 M20 9h-3 M20 12h-3 M20 15h-3',
  settings: 'M4 7h9 M17 7h3 M4 12h3 M11 12h9 M4 17h11 M19 17h1 M15 5v4 M9 10v4 M17 15v4',
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13 M15.5 15.5L21 21',
  file: 'M7 3h7l4 4v14H7z M14 3v4h4 M10 13h5 M10 16h5',
  folder: 'M3 6h6l2 2h10v11H3z',
  sample: 'M5 4h14v16H5z M12 7v10 M9 9c-2 1-2 5-1 7 M15 9c2 1 2 5 1 7',
  window: 'M12 4a8 8 0 1 0 0 16z M12 4a8 8 0 0 1 0 16',
  pan: 'M12 3v18 M3 12h18 M12 3l-2.5 2.5 M12 3l2.5 2.5 M12 21l-2.5-2.5 M12 21l2.5-2.5 M3 12l2.5-2.5 M3 12l2.5 2.5 M21 12l-2.5-2.5 M21 12l-2.5 2.5',
  zoom: 'M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13 M15.5 15.5L21 21 M10.5 7.5v6 M7.5 10.5h6',
  zoomIn: 'M5 12h14 M12 5v14',
  zoomOut: 'M5 12h14',
  scroll: 'M6 8h12v10H6z M8 5h8 M10 2.5h4 M12 10.5v5 M12 15.5l-2-2 M12 15.5l2-2',
  length: 'M4 20L20 4 M2.5 17l4.5 4.5 M17 2.5l4.5 4.5',
  angle: 'M20 19H4L15 5 M10 19a7.5 7.5 0 0 0-2.2-5',
  cobb: 'M4 6l16-2 M4 19l15 2 M9 5.5l-1 14',
  rectangle: 'M4 6h16v12H4z',
  ellipse: 'M12 6a8 6 0 1 0 .1 0z',
  probe: 'M12 3v6 M12 15v6 M3 12h6 M15 12h6 M12 11.5v1',
  arrow: 'M20 20L5 5 M5 12V5h7',
  undo: 'M5 9h9a5 5 0 0 1 0 10h-4 M5 9l4-4 M5 9l4 4',
  redo: 'M19 9h-9a5 5 0 0 0 0 10h4 M19 9l-4-4 M19 9l-4 4',
  fit: 'M4 9V4h5 M15 4h5v5 M20 15v5h-5 M9 20H4v-5 M9 9h6v6H9z',
  actual: 'M6 8l2-1.5V17 M16 8l2-1.5V17 M12 10v.5 M12 14v.5',
  invert: 'M4 4h16v16H4z M4 20L20 4 M14 15h4 M6 9h4 M8 7v4',
  planes: 'M12 4l9 5-9 5-9-5z M3 13.5l9 5 9-5',
  turn: 'M19 12a7 7 0 1 1-2.5-5.4 M19 4v4.5h-4.5',
  mirror: 'M12 3v18 M9 7L3.5 17H9z M15 7l5.5 10H15z',
  smooth: 'M3 15c3 0 3-7 6-7s3 9 6 9 3-5 6-5',
  reset: 'M5 12a7 7 0 1 0 2.5-5.4 M5 4v4.5h4.5',
  run: 'M7 4.5v15l12-7.5z',
  stop: 'M6.5 6.5h11v11h-11z',
  export: 'M12 4v11 M12 15l-4-4 M12 15l4-4 M5 19h14',
  heat: 'M12 3c1 4 5 5 5 10a5 5 0 0 1-10 0c0-2 1-3 2-4 0 2 1 3 2 3 1-3-1-5 1-9z',
  boxes: 'M4 9V5h4 M11 5h3v4 M14 12v3h-4 M7 15H4v-3 M11 19h9v-7h-3',
  panel: 'M4 5h16v14H4z M15 5v14',
  layout: 'M4 5h16v14H4z M12 5v14 M4 12h16',
  maximise: 'M4 5h16v14H4z M13 12l4-4 M13.5 8H17v3.5 M11 12l-4 4 M10.5 16H7v-3.5',
  magnifier: 'M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13 M15.5 15.5L21 21',
  tags: 'M5 6h2 M10 6h9 M5 12h2 M10 12h9 M5 18h2 M10 18h9',
  star: 'M12 4l2.4 5 5.6.7-4.1 3.8 1.1 5.5-5-2.7-5 2.7 1.1-5.5L4 9.7 9.6 9z',
  prior: 'M3 6h8v12H3z M13 6h8v12h-8z M17 9v3l1.5 1.5',
  lines: 'M4 5h16v14H4z M4 13l16-3',
  more: 'M5.5 11a1 1 0 1 0 .1 0z M12 11a1 1 0 1 0 .1 0z M18.5 11a1 1 0 1 0 .1 0z',
  help: 'M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4 M12 17.5v.5',
  close: 'M6 6l12 12 M18 6L6 18',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  warning: 'M12 4l9 16H3z M12 10v5 M12 17.3v.4',
  error: 'M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17 M12 7.5v6 M12 16v.6',
  info: 'M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17 M12 11v6 M12 7.4v.6',
  flip: 'M4 9h13 M17 9l-3.5-3.5 M20 15H7 M7 15l3.5 3.5',
  plug: 'M9 3v5 M15 3v5 M6.5 8h11v4a5.5 5.5 0 0 1-11 0z M12 17.5V21',
  clock: 'M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17 M12 7.5V12l3 2',
  chevronUp: 'M6 15l6-6 6 6',
  chevronDown: 'M6 9l6 6 6-6',
  chevronRight: 'M9 6l6 6-6 6',
} as const;

export type IconName = keyof typeof PATHS;

/** Decorative: the text beside it, or the control's label, says what it means. */
export function Icon({ name, size = 16 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth={1.6} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false">
      {PATHS[name].split(/ (?=M)/).map((d) => <path key={d} d={d} />)}
    </svg>
  );
}
