/** Measurements over the image: drawn in the pane's own pixels, so that lines and words keep their size at any zoom. */
import { useMemo, useRef, useState, type JSX, type KeyboardEvent, type PointerEvent } from 'react';
import { useTranslation } from 'react-i18next';
import { measure, POINTS, type Kind, type Measurement } from '../measure/measure.ts';
import { linesOf } from '../measure/text.ts';
import { useApp, useMeasure, useView, useViewer } from '../ui/app.ts';
import { fromPane, onPane, type Point, type Size, type ToPane } from '../viewport/presentation.ts';
import { sliceKey } from '../viewport/frames.ts';
import { placeLabel, roomOf } from './label.ts';
import { usePaneSize } from './paneSize.ts';

const NONE: readonly Measurement[] = [];
/** Client pixels. */
const HANDLE = 5;
const HEAD = 13;
const NOTE: Size = { width: 210, height: 30 };
/** Image pixels that an arrow key moves a point, and with Shift. */
const STEP = 1;
const LEAP = 10;
const ARROWS: Record<string, Point> = { ArrowLeft: { x: -1, y: 0 }, ArrowRight: { x: 1, y: 0 }, ArrowUp: { x: 0, y: -1 }, ArrowDown: { x: 0, y: 1 } };

export function MeasureOverlay(): JSX.Element | null {
  const { t } = useTranslation();
  const drawn = useView((v) => v.drawn);
  const toPane = useView((v) => v.toPane);
  const key = drawn ? sliceKey(drawn) : '';
  const list = useMeasure((m) => m.all[key] ?? NONE);
  const drawing = useMeasure((m) => (m.drawing?.key === key ? m.drawing : null));
  const lines = useLines(drawing);
  const ref = useRef<SVGSVGElement>(null);
  const pane = usePaneSize(ref, toPane, list.length > 0 || drawing !== null);
  if (!toPane || (list.length === 0 && !drawing)) return null;
  const points = drawing?.points.map((point) => onPane(toPane, point)) ?? [];
  return (
    <svg ref={ref} className="measures" aria-label={t('measure.over', { count: list.length })} role="group" data-testid="measures">
      {list.map((m) => <Item key={m.id} image={key} m={m} toPane={toPane} pane={pane} />)}
      {drawing && (
        <g className="measure drawing">
          <Lines kind={drawing.kind} points={points} />
          <Label kind={drawing.kind} points={points} lines={lines} pane={pane} />
        </g>
      )}
    </svg>
  );
}

/** What a measurement of the drawn image says; nothing while its drawing is not complete. */
function useLines(m: Pick<Measurement, 'kind' | 'points'> | null): string[] {
  const { t } = useTranslation();
  const viewer = useViewer();
  const drawn = useView((v) => v.drawn);
  // Not again for each move of the image: an area may hold millions of pixels.
  return useMemo(() => (drawn && m && m.points.length === POINTS[m.kind] ? linesOf(t, measure(m, drawn.instance, viewer.held(sliceKey(drawn)))) : []), [t, viewer, drawn, m]);
}

function Item({ image, m, toPane, pane }: { image: string; m: Measurement; toPane: ToPane; pane: Size }): JSX.Element {
  const { t } = useTranslation();
  const { measurer } = useApp();
  const selected = useMeasure((s) => s.selected?.key === image && s.selected.id === m.id);
  const lines = [...useLines(m), ...(m.text && !selected ? [m.text] : [])];
  const points = m.points.map((point) => onPane(toPane, point));
  const name = t(`action.tool.${m.kind}`);
  const whole = useMove(image, m.id, null, toPane);
  return (
    <g className={selected ? 'measure selected' : 'measure'} data-testid="measure" data-kind={m.kind}>
      <g role="button" tabIndex={0} aria-pressed={selected} aria-label={[name, ...lines].join(', ')} onFocus={() => measurer.select(image, m.id)} {...whole}>
        <Lines kind={m.kind} points={points} />
      </g>
      {selected && points.map((point, index) => <Handle key={index} label={t('measure.point', { number: index + 1, count: points.length, name })} at={point} move={{ image, id: m.id, point: index, toPane }} />)}
      {selected && m.kind === 'arrow' ? <Note key={m.id} image={image} m={m} points={points} pane={pane} /> : <Label kind={m.kind} points={points} lines={lines} pane={pane} />}
    </g>
  );
}

function Handle({ label, at, move }: { label: string; at: Point; move: { image: string; id: number; point: number; toPane: ToPane } }): JSX.Element {
  const handlers = useMove(move.image, move.id, move.point, move.toPane);
  return <circle className="measure-handle" role="button" tabIndex={0} aria-label={label} cx={at.x} cy={at.y} r={HANDLE} {...handlers} />;
}

/** Drag and arrow keys for a point, or with `point` null for the whole. */
function useMove(image: string, id: number, point: number | null, toPane: ToPane): Pick<JSX.IntrinsicElements['circle'], 'onPointerDown' | 'onPointerMove' | 'onPointerUp' | 'onPointerCancel' | 'onKeyDown' | 'onKeyUp'> {
  const { measurer } = useApp();
  const last = useRef<Point | null>(null);
  const end = (): void => {
    last.current = null;
    measurer.settle();
  };
  return {
    onPointerDown: (event: PointerEvent<SVGElement>) => {
      if (event.button !== 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      measurer.select(image, id);
      last.current = { x: event.clientX, y: event.clientY };
    },
    onPointerMove: (event: PointerEvent<SVGElement>) => {
      if (!last.current) return;
      const [from, to] = [fromPane(toPane, last.current), fromPane(toPane, { x: event.clientX, y: event.clientY })];
      last.current = { x: event.clientX, y: event.clientY };
      measurer.move(image, id, point, to.x - from.x, to.y - from.y);
    },
    onPointerUp: end,
    onPointerCancel: end,
    onKeyDown: (event: KeyboardEvent) => {
      const step = ARROWS[event.key];
      if (event.key === 'Escape') measurer.deselect();
      else if (step) measurer.move(image, id, point, step.x * (event.shiftKey ? LEAP : STEP), step.y * (event.shiftKey ? LEAP : STEP));
      else return;
      event.preventDefault();
    },
    onKeyUp: () => measurer.settle(),
  };
}

/** What the reader writes at an arrow. */
function Note({ image, m, points, pane }: { image: string; m: Measurement; points: readonly Point[]; pane: Size }): JSX.Element {
  const { t } = useTranslation();
  const { measurer } = useApp();
  const [text, setText] = useState(m.text);
  const { x, y } = placeLabel(m.kind, points, NOTE, pane);
  return (
    <foreignObject x={x} y={y} {...NOTE}>
      <input className="measure-note" aria-label={t('measure.note')} placeholder={t('measure.note')} maxLength={200} value={text} onChange={(event) => setText(event.target.value)}
        onBlur={() => text !== m.text && measurer.setText(image, m.id, text)} onKeyDown={(event) => event.key === 'Enter' && event.currentTarget.blur()} />
    </foreignObject>
  );
}

/** Words on a dark ground, which takes their width. */
function Label({ kind, points, lines, pane }: { kind: Kind; points: readonly Point[]; lines: readonly string[]; pane: Size }): JSX.Element | null {
  if (lines.length === 0) return null;
  const room = roomOf(lines);
  const { x, y, before } = placeLabel(kind, points, room, pane);
  return (
    <foreignObject x={x} y={y} {...room} className={before ? 'measure-before' : undefined}>
      <span className="measure-label">{lines.map((line, index) => <span key={index}>{line}</span>)}</span>
    </foreignObject>
  );
}

/** Dark under light, so that they stand out from any image; the widest, unseen, is what the pointer takes hold of. */
function Lines({ kind, points }: { kind: Kind; points: readonly Point[] }): JSX.Element {
  const d = pathOf(kind, points);
  return <>{['measure-halo', 'measure-line', 'measure-hit'].map((name) => <path key={name} className={name} d={d} />)}</>;
}

const to = (points: readonly Point[]): string => points.map(({ x, y }, index) => `${index === 0 ? 'M' : 'L'}${x} ${y}`).join('');

/** Also of a drawing that is not complete. */
function pathOf(kind: Kind, points: readonly Point[]): string {
  const [a, b] = points as [Point, Point];
  switch (kind) {
    case 'length':
    case 'angle':
      return to(points);
    case 'cobb':
      return to(points.slice(0, 2)) + to(points.slice(2));
    case 'rectangle':
      return `${to([a, { x: b.x, y: a.y }, b, { x: a.x, y: b.y }])}Z`;
    case 'ellipse': {
      const [rx, ry, y] = [Math.abs(b.x - a.x) / 2, Math.abs(b.y - a.y) / 2, (a.y + b.y) / 2];
      return `M${Math.min(a.x, b.x)} ${y}a${rx} ${ry} 0 1 0 ${2 * rx} 0a${rx} ${ry} 0 1 0 ${-2 * rx} 0`;
    }
    case 'probe':
      return `M${a.x - HEAD} ${a.y}h${HEAD - 3}m6 0h${HEAD - 3}M${a.x} ${a.y - HEAD}v${HEAD - 3}m0 6v${HEAD - 3}`;
    case 'arrow': {
      const turn = Math.atan2(b.y - a.y, b.x - a.x);
      const barb = (by: number): Point => ({ x: a.x + HEAD * Math.cos(turn + by), y: a.y + HEAD * Math.sin(turn + by) });
      return to([b, a]) + to([barb(0.45), a, barb(-0.45)]);
    }
  }
}
