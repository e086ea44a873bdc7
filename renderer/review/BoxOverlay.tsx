/** A detector's boxes over the image: drawn in the pane's own pixels, so that lines and words keep their size at any zoom. */
import { memo, useEffect, useMemo, useRef, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { entryOf, modelOf } from '../state/selectors.ts';
import { useApp, useAppState, useLocalText, useView } from '../ui/app.ts';
import { probability } from '../ui/format.ts';
import { sliceKey } from '../viewport/frames.ts';
import { boundsOf, cornersOf, drawnBoxes, groupAt, type DrawnBox } from './boxes.ts';
import { DASHES } from './EngineLine.tsx';
import { roomOf } from './label.ts';
import { usePaneSize } from './paneSize.ts';

const TAG_HEIGHT = 18;
/** More words than these cover the image and one another; of the rest it is said what it is when it is pointed at. */
const MAX_TAGS = 60;

export function BoxOverlay(): JSX.Element | null {
  const { t } = useTranslation();
  const local = useLocalText();
  const { session } = useApp();
  const ref = useRef<SVGSVGElement>(null);
  const drawn = useView((v) => v.drawn);
  const toPane = useView((v) => v.toPane);
  const { on, engines, threshold, highlighted } = useAppState((s) => s.boxes);
  const labels = useAppState((s) => modelOf(s)?.metadata.fabriclens.labels);
  const comparison = useAppState((s) => entryOf(s, drawn)?.comparison ?? null);
  const boxes = useMemo(() => (on && comparison?.task === 'detection' ? drawnBoxes(comparison, { engines, threshold }) : []), [on, comparison, engines, threshold]);
  const key = drawn && sliceKey(drawn);
  const { width } = usePaneSize(ref, toPane, boxes.length > 0);
  const pointed = key !== null && highlighted?.key === key ? highlighted.group : null;

  // The picture under it takes the mouse: this only watches where it is.
  useEffect(() => {
    const pane = ref.current?.parentElement;
    if (!pane || !toPane || key === null || boxes.length === 0) return;
    const point = (group: number | null): void => {
      const before = session.store.get().boxes;
      if ((before.highlighted?.group ?? null) !== group) session.store.set({ boxes: { ...before, highlighted: group === null ? null : { key, group } } });
    };
    const move = (event: PointerEvent): void => {
      if (event.buttons !== 0) return;
      const { left, top } = pane.getBoundingClientRect();
      point(groupAt(boxes, toPane, { x: event.clientX - left, y: event.clientY - top }));
    };
    const leave = (): void => point(null);
    pane.addEventListener('pointermove', move);
    pane.addEventListener('pointerleave', leave);
    return () => {
      pane.removeEventListener('pointermove', move);
      pane.removeEventListener('pointerleave', leave);
    };
  }, [session, boxes, toPane, key]);

  if (!toPane || !labels || boxes.length === 0) return null;
  const tagged = pointedLast(boxes.filter(({ group }, index) => index < MAX_TAGS || group === pointed), pointed);
  const { a, b, c, d, e, f } = toPane;
  return (
    <svg ref={ref} className="boxes" role="img" aria-label={t('boxes.over', { count: boxes.length })} data-testid="boxes">
      <g transform={`matrix(${a} ${b} ${c} ${d} ${e} ${f})`}><Outlines boxes={boxes} pointed={pointed} /></g>
      {tagged.map(({ group, label, outlines, only }) => {
        const name = local(labels[label]!.text);
        const score = probability(outlines[0]!.box.score);
        const text = only ? t('boxes.only', { label: name, score, engines: only.map((engine) => t(`engine.${engine}`)).join(', ') }) : t('boxes.label', { label: name, score });
        const { left, top } = boundsOf(cornersOf(outlines[0]!.box, toPane));
        return <g key={group} className={stateOf(group, pointed)}><Tag text={text} x={left} y={top - TAG_HEIGHT - 4} pane={width} /></g>;
      })}
    </svg>
  );
}

const stateOf = (group: number, pointed: number | null): string => `box${pointed === null ? '' : group === pointed ? ' pointed' : ' aside'}`;

/** What is pointed at lies on top. */
const pointedLast = (boxes: readonly DrawnBox[], pointed: number | null): DrawnBox[] => [...boxes].sort((a, b) => Number(a.group === pointed) - Number(b.group === pointed));

/** In pixels of the image, under the pane's matrix: moving the image moves them all at once, and their lines keep their width (vector-effect). */
const Outlines = memo(function Outlines({ boxes, pointed }: { boxes: readonly DrawnBox[]; pointed: number | null }): JSX.Element {
  // All dark lines of a box lie under all its light ones, or the dashes of one engine would hide the line of another.
  return (
    <>
      {pointedLast(boxes, pointed).map(({ group, outlines }) => (
        <g key={group} className={stateOf(group, pointed)} data-testid="box" data-group={group}>
          {outlines.map(({ engine, box }) => <rect key={engine} x={box.x} y={box.y} width={box.width} height={box.height} className="box-halo" />)}
          {outlines.map(({ engine, box }) => <rect key={engine} x={box.x} y={box.y} width={box.width} height={box.height} className={`box-line engine-${engine}`} strokeDasharray={DASHES[engine]} data-engine={engine} />)}
        </g>
      ))}
    </>
  );
});

/** Words on a dark ground, which takes their width; inside the box where there is no room above it, and never off the pane to a side. */
function Tag({ text, x, y, pane }: { text: string; x: number; y: number; pane: number }): JSX.Element {
  const { width } = roomOf([text]);
  return (
    <foreignObject x={Math.max(2, Math.min(x - 1, pane - width))} y={y < 0 ? Math.max(2, y + TAG_HEIGHT + 7) : y} width={width} height={TAG_HEIGHT + 1}>
      <span className="box-tag">{text}</span>
    </foreignObject>
  );
}
