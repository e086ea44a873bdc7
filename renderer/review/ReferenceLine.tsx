/** Where the active pane's slice crosses the picture of another. */
import { useMemo, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { activePane } from '../state/panes.ts';
import { useStore } from '../state/store.ts';
import { useApp, useAppState, useView } from '../ui/app.ts';
import { crossing } from '../viewport/geometry.ts';
import { onPane } from '../viewport/presentation.ts';

export function ReferenceLine(): JSX.Element | null {
  const { t } = useTranslation();
  const { viewers } = useApp();
  const on = useAppState((s) => s.lines);
  const active = useAppState((s) => activePane(s).id);
  const other = useStore(viewers.of(active).view, (v) => v.drawn);
  const drawn = useView((v) => v.drawn);
  const toPane = useView((v) => v.toPane);
  const line = useMemo(() => (on && drawn && other ? crossing(drawn, other) : null), [on, drawn, other]);
  if (!line || !toPane) return null;
  const [a, b] = [onPane(toPane, line[0]), onPane(toPane, line[1])];
  const ends = { x1: a.x, y1: a.y, x2: b.x, y2: b.y };
  return (
    <svg className="reference" role="img" aria-label={t('viewer.reference')} data-testid="reference">
      <line className="reference-halo" {...ends} />
      <line className="reference-line" {...ends} />
    </svg>
  );
}
