/**
 * Everything a reader can do, once: its name, shortcut, when it is possible, and the doing. Toolbar, keyboard and the host's
 * menu (by `id`) all run these, so they cannot disagree.
 */
import type { MeasureState, Measurer } from '../measure/measurer.ts';
import type { Session } from '../state/session.ts';
import { entryOf, heatMapRun } from '../state/selectors.ts';
import { beside, countPanes, LAYOUTS, shownNow, type Layout } from '../state/panes.ts';
import type { AppState, Tool, Workspace } from '../state/store.ts';
import { sliceKey } from '../viewport/frames.ts';
import type { View, Viewer } from '../viewport/viewer.ts';
import type { Viewers } from '../viewport/viewers.ts';
import type { Cine } from '../viewport/cine.ts';
import { isKeyImage, keySlices } from '../state/keyImages.ts';
import { priorOf } from '../state/prior.ts';
import { measuredSlices, rowsOf } from '../measure/rows.ts';
import type { IconName } from '../ui/icons.tsx';

export interface ActionContext {
  session: Session;
  viewers: Viewers;
  cine: Cine;
  /** Of the active pane. */
  viewer: Viewer;
  measurer: Measurer;
  /** A text in the reader's language, for what an action reports. */
  say: (key: 'panel.exported' | 'measure.exported' | 'key.exported') => string;
}
export interface Situation {
  app: AppState;
  view: View;
  measure: MeasureState;
}

export interface Action<Id extends string = string> {
  id: Id;
  icon: IconName | null;
  /** The first is shown; all work. */
  shortcuts: readonly string[];
  possible: (now: Situation) => boolean;
  /** For what can be on or off. */
  pressed?: (now: Situation) => boolean;
  /** On and off by itself, not one of several: menus tick it. */
  tick?: true;
  perform: (context: ActionContext) => void;
}

const always = (): boolean => true;
const inReview = ({ app }: Situation): boolean => app.workspace === 'review';
const hasImage = (now: Situation): boolean => inReview(now) && now.view.status === 'shown';
const hasGrey = (now: Situation): boolean => hasImage(now) && now.view.facts?.kind === 'grey';
const hasStack = ({ app }: Situation): boolean => app.workspace === 'review' && (shownNow(app)?.count ?? 0) > 1;
const hasMeasurements = (now: Situation): boolean => hasImage(now) && (now.measure.all[sliceKey(now.view.drawn!)] ?? []).length > 0;
const entryNow = ({ app }: Situation): ReturnType<typeof entryOf> => entryOf(app, shownNow(app));
const hasStudies = (now: Situation): boolean => inReview(now) && now.app.library.studies.length > 0;

const tool = <N extends Tool>(name: N, icon: IconName, shortcut: string): Action<`tool.${N}`> => ({
  id: `tool.${name}`,
  icon,
  shortcuts: [shortcut],
  possible: name === 'window' ? hasGrey : name === 'scroll' ? hasStack : hasImage,
  pressed: ({ app }) => app.tool === name,
  perform: ({ session }) => session.store.set({ tool: name }),
});
const workspace = <N extends Workspace>(name: N, icon: IconName, shortcut: string): Action<`workspace.${N}`> => ({
  id: `workspace.${name}`,
  icon,
  shortcuts: [shortcut],
  possible: always,
  pressed: ({ app }) => app.workspace === name,
  perform: ({ session }) => session.store.set({ workspace: name }),
});
const view = <I extends string>(id: I, icon: IconName, shortcuts: string[], run: (viewer: Viewer) => void): Action<`view.${I}`> => ({
  id: `view.${id}`,
  icon,
  shortcuts,
  possible: hasImage,
  perform: ({ viewer }) => run(viewer),
});
/** Of the picture's place: moved together where the reader wants it. */
const moving = <I extends string>(id: I, icon: IconName, shortcuts: string[], run: (viewer: Viewer) => void): Action<`view.${I}`> => ({ ...view(id, icon, shortcuts, run), perform: ({ viewers, viewer }) => viewers.move(viewer, run) });
const stack = <I extends string>(id: I, shortcuts: string[], run: (session: Session) => void): Action<`stack.${I}`> => ({
  id: `stack.${id}`,
  icon: null,
  shortcuts,
  possible: hasStack,
  perform: ({ session }) => run(session),
});

const LAYOUT_KEYS = { '1x1': '1', '1x2': '2', '1x3': '3', '2x2': '4', '2x1': '5', '2x3': '6', '3x1': '7', '3x2': '8', '3x3': '9' } as const;
type LayoutName = keyof typeof LAYOUT_KEYS;
export const layoutId = ({ rows, columns }: Layout): `layout.${LayoutName}` => `layout.${rows}x${columns}` as `layout.${LayoutName}`;
const layout = (wanted: Layout): Action<`layout.${LayoutName}`> => ({
  id: layoutId(wanted),
  icon: 'layout',
  shortcuts: [`Alt+${LAYOUT_KEYS[layoutId(wanted).slice('layout.'.length) as LayoutName]}`],
  possible: hasStudies,
  pressed: ({ app }) => app.layout.rows === wanted.rows && app.layout.columns === wanted.columns,
  perform: ({ session }) => session.setLayout(wanted),
});
const pane = <I extends string>(id: I, key: string, columns: number, rows: number): Action<`pane.${I}`> => ({
  id: `pane.${id}`,
  icon: null,
  shortcuts: [`Alt+${key}`],
  possible: (now) => hasStudies(now) && beside(now.app, columns, rows) !== null,
  perform: ({ session }) => session.activateBeside(columns, rows),
});

const hasKeyImages = (now: Situation): boolean => inReview(now) && keySlices(now.app.library, now.app.keyImages).length > 0;
const isPlaying = ({ app }: Situation): boolean => app.cine !== null;
const severalPanes = (now: Situation): boolean => hasStudies(now) && countPanes(now.app.layout) > 1;
const together = <I extends 'scroll' | 'move' | 'window'>(id: I, key: string): Action<`together.${I}`> => ({
  id: `together.${id}`,
  icon: id === 'move' ? 'zoom' : id,
  shortcuts: [key],
  possible: severalPanes,
  pressed: ({ app }) => app.together[id],
  tick: true,
  perform: ({ session }) => session.store.set((now) => ({ together: { ...now.together, [id]: !now.together[id] } })),
});

export const ACTIONS = [
  { id: 'open.files', icon: 'file', shortcuts: ['Ctrl+O'], possible: always, perform: ({ session }) => void session.open('files') },
  { id: 'open.folder', icon: 'folder', shortcuts: ['Ctrl+Shift+O'], possible: always, perform: ({ session }) => void session.open('folder') },
  { id: 'open.sample', icon: 'sample', shortcuts: [], possible: always, perform: ({ session }) => void session.open('sample') },
  workspace('review', 'review', 'Ctrl+1'),
  workspace('studies', 'list', 'Ctrl+4'),
  workspace('results', 'results', 'Ctrl+5'),
  workspace('models', 'models', 'Ctrl+2'),
  workspace('boards', 'boards', 'Ctrl+3'),
  workspace('settings', 'settings', 'Ctrl+,'),
  tool('window', 'window', 'w'),
  tool('pan', 'pan', 'p'),
  tool('zoom', 'zoom', 'z'),
  tool('scroll', 'scroll', 's'),
  tool('magnifier', 'magnifier', 'g'),
  tool('length', 'length', 'l'),
  tool('angle', 'angle', 'a'),
  tool('cobb', 'cobb', 'o'),
  tool('rectangle', 'rectangle', 't'),
  tool('ellipse', 'ellipse', 'e'),
  tool('probe', 'probe', 'q'),
  tool('arrow', 'arrow', 'm'),
  { id: 'measure.undo', icon: 'undo', shortcuts: ['Ctrl+Z'], possible: (now) => inReview(now) && (now.measure.past.length > 0 || now.measure.drawing !== null), perform: ({ measurer }) => measurer.undo() },
  { id: 'measure.redo', icon: 'redo', shortcuts: ['Ctrl+Shift+Z', 'Ctrl+Y'], possible: (now) => inReview(now) && now.measure.future.length > 0, perform: ({ measurer }) => measurer.redo() },
  { id: 'measure.remove', icon: 'close', shortcuts: ['Delete', 'Backspace'], possible: (now) => hasImage(now) && now.measure.selected?.key === sliceKey(now.view.drawn!), perform: ({ measurer }) => measurer.remove() },
  { id: 'measure.clear', icon: null, shortcuts: [], possible: hasMeasurements, perform: ({ measurer, viewer }) => measurer.clear(sliceKey(viewer.view.get().drawn!)) },
  {
    id: 'measure.export',
    icon: 'export',
    shortcuts: [],
    possible: ({ app, measure }) => measuredSlices(measure.all, app.library).length > 0,
    perform: ({ session, measurer, viewer, say }) => void session.exportMeasurements(() => rowsOf(measurer.store.get().all, session.store.get().library, (slice) => viewer.frameOf(slice)), say('measure.exported')),
  },
  moving('fit', 'fit', ['f'], (v) => v.fit()),
  moving('actualSize', 'actual', ['1'], (v) => v.actualSize()),
  moving('zoomIn', 'zoomIn', ['+', '='], (v) => v.zoom(1.25)),
  moving('zoomOut', 'zoomOut', ['-'], (v) => v.zoom(0.8)),
  view('turn', 'turn', ['.'], (v) => v.turn()),
  { ...view('mirror', 'mirror', ['x'], (v) => v.mirror()), tick: true, pressed: ({ view: { presentation } }) => presentation?.mirrored ?? false },
  { ...view('invert', 'invert', ['i'], (v) => v.invert()), pressed: ({ view: { presentation } }) => presentation?.invert ?? false },
  { ...view('smooth', 'smooth', ['n'], (v) => v.toggleSmooth()), tick: true, pressed: ({ view: { presentation } }) => presentation?.smooth ?? false },
  { ...view('planes', 'planes', ['v'], (v) => v.togglePlanes()), possible: (now) => hasImage(now) && (now.view.facts?.planes ?? 0) > 0, tick: true, pressed: ({ view: { presentation } }) => presentation?.planes ?? false },
  view('reset', 'reset', ['r'], (v) => v.reset()),
  stack('next', ['PageDown', 'ArrowDown', 'ArrowRight'], (s) => s.scrollBy(1)),
  stack('previous', ['PageUp', 'ArrowUp', 'ArrowLeft'], (s) => s.scrollBy(-1)),
  stack('first', ['Home'], (s) => s.scrollTo(0)),
  stack('last', ['End'], (s) => s.scrollTo(Number.MAX_SAFE_INTEGER)),
  ...LAYOUTS.map(layout),
  pane('left', 'ArrowLeft', -1, 0),
  pane('right', 'ArrowRight', 1, 0),
  pane('up', 'ArrowUp', 0, -1),
  pane('down', 'ArrowDown', 0, 1),
  {
    id: 'pane.maximise',
    icon: 'maximise',
    shortcuts: ['d'],
    possible: severalPanes,
    pressed: ({ app }) => app.maximised,
    tick: true,
    perform: ({ session }) => session.store.set(({ maximised }) => ({ maximised: !maximised })),
  },
  { ...together('scroll', 'Shift+S'), perform: ({ session }) => session.joinScrolling() },
  together('move', 'Shift+Z'),
  together('window', 'Shift+W'),
  { id: 'together.lines', icon: 'lines', shortcuts: ['Shift+R'], possible: severalPanes, pressed: ({ app }) => app.lines, tick: true, perform: ({ session }) => session.store.set(({ lines }) => ({ lines: !lines })) },
  { id: 'prior.show', icon: 'prior', shortcuts: ['Shift+P'], possible: (now) => inReview(now) && priorOf(now.app.library, shownNow(now.app)) !== null, perform: ({ session }) => session.showPrior() },
  { id: 'cine.toggle', icon: 'run', shortcuts: [' '], possible: (now) => hasImage(now) && hasStack(now), pressed: isPlaying, perform: ({ cine }) => cine.toggle() },
  { id: 'cine.faster', icon: null, shortcuts: ['>'], possible: isPlaying, perform: ({ cine }) => cine.pace(1.25) },
  { id: 'cine.slower', icon: null, shortcuts: ['<'], possible: isPlaying, perform: ({ cine }) => cine.pace(0.8) },
  { id: 'key.toggle', icon: 'star', shortcuts: ['j'], possible: hasImage, pressed: ({ app, view: { drawn } }) => drawn !== null && isKeyImage(app.keyImages, drawn), tick: true, perform: ({ session }) => session.toggleKeyImage() },
  { id: 'key.next', icon: null, shortcuts: ['Shift+J'], possible: hasKeyImages, perform: ({ session }) => session.stepKeyImage(1) },
  { id: 'key.previous', icon: null, shortcuts: ['Shift+K'], possible: hasKeyImages, perform: ({ session }) => session.stepKeyImage(-1) },
  { id: 'key.export', icon: 'export', shortcuts: [], possible: hasKeyImages, perform: ({ session, say }) => void session.exportKeyImages(say('key.exported')) },
  { id: 'image.tags', icon: 'tags', shortcuts: ['Ctrl+I'], possible: (now) => inReview(now) && shownNow(now.app) !== null, perform: ({ session }) => session.showTags(shownNow(session.store.get())?.instance ?? null) },
  { id: 'image.export', icon: 'export', shortcuts: ['Ctrl+Shift+E'], possible: hasImage, perform: ({ session }) => session.store.set({ exportOpen: true }) },
  { id: 'study.anonymise', icon: 'export', shortcuts: ['Ctrl+Shift+A'], possible: (now) => inReview(now) && shownNow(now.app) !== null, perform: ({ session }) => session.anonymiser.begin() },
  { id: 'series.next', icon: null, shortcuts: [']'], possible: inReview, perform: ({ session }) => session.stepSeries(1) },
  { id: 'series.previous', icon: null, shortcuts: ['['], possible: inReview, perform: ({ session }) => session.stepSeries(-1) },
  {
    id: 'compare.run',
    icon: 'run',
    shortcuts: ['Ctrl+Enter', 'c'],
    possible: (now) => hasImage(now) && now.app.models.length > 0 && entryNow(now)?.state !== 'running',
    perform: ({ session }) => {
      session.store.set({ panelOpen: true });
      void session.compare();
    },
  },
  {
    id: 'compare.series',
    icon: 'run',
    shortcuts: ['Ctrl+Shift+Enter'],
    possible: (now) => hasStack(now) && now.app.models.length > 0 && now.app.seriesRun === null,
    perform: ({ session }) => void session.compareSeries(),
  },
  {
    id: 'compare.cancel',
    icon: 'stop',
    shortcuts: ['Escape'],
    possible: (now) => entryNow(now)?.state === 'running' || now.app.seriesRun !== null,
    perform: ({ session }) => {
      session.cancelSeries();
      session.cancel();
    },
  },
  {
    id: 'compare.export',
    icon: 'export',
    shortcuts: ['Ctrl+E'],
    possible: (now) => entryNow(now)?.comparison != null,
    perform: ({ session, say }) => void session.exportComparison(say('panel.exported')),
  },
  {
    id: 'heatMap.toggle',
    icon: 'heat',
    shortcuts: ['h'],
    possible: (now) => inReview(now) && heatMapRun(entryNow(now)?.comparison ?? null, null) !== null,
    pressed: ({ app }) => app.heatMap.on,
    perform: ({ session }) => session.store.set(({ heatMap }) => ({ heatMap: { ...heatMap, on: !heatMap.on } })),
  },
  {
    id: 'boxes.toggle',
    icon: 'boxes',
    shortcuts: ['b'],
    possible: (now) => inReview(now) && entryNow(now)?.comparison?.task === 'detection',
    pressed: ({ app }) => app.boxes.on,
    perform: ({ session }) => session.store.set(({ boxes }) => ({ boxes: { ...boxes, on: !boxes.on } })),
  },
  {
    id: 'panel.toggle',
    icon: 'panel',
    shortcuts: ['k'],
    possible: inReview,
    pressed: ({ app }) => app.panelOpen,
    perform: ({ session }) => session.store.set(({ panelOpen }) => ({ panelOpen: !panelOpen })),
  },
  { id: 'window.fullScreen', icon: 'fit', shortcuts: ['F11'], possible: always, perform: ({ session }) => void session.toggleFullScreen() },
  { id: 'help.palette', icon: 'search', shortcuts: ['Ctrl+K', 'Ctrl+Shift+P'], possible: always, perform: ({ session }) => session.store.set({ paletteOpen: true }) },
  { id: 'help.shortcuts', icon: 'help', shortcuts: ['?', 'F1'], possible: always, pressed: ({ app }) => app.helpOpen, perform: ({ session }) => session.store.set(({ helpOpen }) => ({ helpOpen: !helpOpen })) },
] as const satisfies readonly Action[];

export type ActionId = (typeof ACTIONS)[number]['id'];
export const actionById = (id: string): Action | undefined => ACTIONS.find((action) => action.id === id);
