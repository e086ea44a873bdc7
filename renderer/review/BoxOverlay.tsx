/** A detector's boxes over the image: drawn in the pane's own pixels, so that lines and words keep their size at any zoom. */
import { useEffect, useMemo, useRef, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { Box } from '../../src/contract/engine.ts';
import { entryOf, modelOf } from '../state/selectors.ts';
import { useApp, useAppState, useLocalText, useView } from '../ui/app.ts';
import { probability } from '../ui/format.ts';
import type { ToPane } from '../viewport/presentation.ts';
import { sliceKey } from '../viewport/viewer.ts';
import { boundsOf, cornersOf, drawnBoxes, groupAt } from './boxes.ts';
import { DASHES } from './EngineLine.tsx';

const TAG_HEIGHT = 18;

/** All dark lines lie under all light ones, or the dashes of one engine would hide the line of another. */
const pointsOf = (box: Box, toPane: ToPane): string => cornersOf(box, toPane).map(({ x, y }) => `${x},${y}`).join(' ');

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
  // What is pointed at lies on top.
  const ordered = [...boxes].sort((a, b) => Number(a.group === pointed) - Number(b.group === pointed));
  return (
    <svg ref={ref} className="boxes" role="img" aria-label={t('boxes.over', { count: boxes.length })} data-testid="boxes">
      {ordered.map(({ group, label, outlines, only }) => {
        const name = local(labels[label]!.text);
        const score = probability(outlines[0]!.box.score);
        const text = only ? t('boxes.only', { label: name, score, engines: only.map((engine) => t(`engine.${engine}`)).join(', ') }) : t('boxes.label', { label: name, score });
        const { left, top } = boundsOf(cornersOf(outlines[0]!.box, toPane));
        const state = pointed === null ? '' : group === pointed ? ' pointed' : ' aside';
        return (
          <g key={group} className={`box${state}`} data-testid="box" data-group={group}>
            {outlines.map(({ engine, box }) => <polygon key={engine} points={pointsOf(box, toPane)} className="box-halo" />)}
            {outlines.map(({ engine, box }) => <polygon key={engine} points={pointsOf(box, toPane)} className={`box-line engine-${engine}`} strokeDasharray={DASHES[engine]} data-engine={engine} />)}
            <Tag text={text} x={left} y={top - TAG_HEIGHT - 4} />
          </g>
        );
      })}
    </svg>
  );
}

/** Words on a dark ground, which takes their width; inside the box where there is no room above it, and never off the pane to the left. */
function Tag({ text, x, y }: { text: string; x: number; y: number }): JSX.Element {
  return (
    <foreignObject x={Math.max(2, x - 1)} y={y < 0 ? Math.max(2, y + TAG_HEIGHT + 7) : y} width={420} height={TAG_HEIGHT + 1}>
      <span className="box-tag">{text}</span>
    </foreignObject>
  );
}
