/** One pane of the viewer: the picture, what lies over it, and its state. Pressed or focused it becomes the active one; a series can be dropped on it. */
import { Button, Loader } from '@mantine/core';
import { useEffect, useMemo, useRef, useState, type DragEvent, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { Pane as PaneState } from '../state/panes.ts';
import { shownOf, sliceAt, type Slice } from '../state/selectors.ts';
import { useApp, useAppState, useTextOf, useView, useViewer, ViewerContext } from '../ui/app.ts';
import { Icon } from '../ui/icons.tsx';
import { CornerstoneViewport } from '../viewport/cornerstone.ts';
import { BoxOverlay } from './BoxOverlay.tsx';
import { CineRate } from './CineRate.tsx';
import { Corners } from './Corners.tsx';
import { useHeatMapOverlay } from './heatMapOverlay.ts';
import { MeasureOverlay } from './MeasureOverlay.tsx';
import { usePointer } from './pointer.ts';
import { ReferenceLine } from './ReferenceLine.tsx';
import { SERIES_TYPE } from './StudyPanel.tsx';

/** Steps to the pictures that are decoded ahead: in a cine, and where the reader may turn either way. */
const AHEAD = [1, 2, 3, 4, 5, 6, 7, 8];
const AROUND = AHEAD.flatMap((step) => [step, -step]);

interface Props {
  pane: PaneState;
  /** In the order of the layout. */
  index: number;
  active: boolean;
  /** Panes seen. */
  count: number;
}

export function Pane(props: Props): JSX.Element {
  const { viewers } = useApp();
  return <ViewerContext.Provider value={viewers.of(props.pane.id)}><Inner {...props} /></ViewerContext.Provider>;
}

function Inner({ pane: { id, selection }, index, active, count }: Props): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  const { session } = useApp();
  const viewer = useViewer();
  const ref = useRef<HTMLDivElement>(null);
  const lens = useRef<HTMLCanvasElement>(null);
  const [over, setOver] = useState(false);
  const library = useAppState((s) => s.library);
  const shown = useMemo(() => shownOf(library, selection), [library, selection]);
  const status = useView((v) => v.status);
  const error = useView((v) => v.error);
  const tool = useAppState((s) => s.tool);
  const capture = useAppState((s) => (s.capture?.pane === id ? s.capture : null));
  const playing = useAppState((s) => s.cine?.pane === id);

  useEffect(() => {
    const viewport = new CornerstoneViewport(ref.current!);
    viewer.attach(viewport);
    return () => {
      viewer.attach(null);
      viewport.dispose();
    };
  }, [viewer]);
  useEffect(() => {
    // A loop goes on at the other end.
    const at = (step: number): number => (playing ? (shown!.position + step) % shown!.count : shown!.position + step);
    const ahead = shown ? (playing ? AHEAD : AROUND).map(at).filter((position) => position >= 0).map((position) => sliceAt(shown.series, position)) : [];
    viewer.show(shown, ahead.filter((slice): slice is Slice => slice !== null));
  }, [viewer, shown, playing]);
  // The keys go where the frame is: the focus comes along from another pane, but is taken from nothing else.
  useEffect(() => {
    if (active && document.activeElement !== ref.current && document.activeElement?.classList.contains('canvas-host')) ref.current!.focus();
  }, [active]);
  usePointer(ref, lens, index);
  useHeatMapOverlay();

  const held = (event: DragEvent): boolean => event.dataTransfer.types.includes(SERIES_TYPE);
  return (
    <div
      className={['pane', over && 'over', capture && 'captured', capture && !capture.marks && 'without-marks', capture && !capture.text && 'without-text'].filter(Boolean).join(' ')} data-testid="pane" data-status={status} data-active={active && count > 1} onFocusCapture={() => session.activate(index)}
      onDragOver={(event) => {
        if (!held(event)) return;
        event.preventDefault();
        event.dataTransfer.dropEffect = 'copy';
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        setOver(false);
        if (!held(event)) return;
        event.preventDefault();
        session.select(event.dataTransfer.getData(SERIES_TYPE), 0, index);
      }}
    >
      <div
        ref={ref} className="canvas-host" data-testid="viewport" data-tool={tool} role="group" tabIndex={0}
        aria-label={count > 1 ? t('viewer.paneImage', { number: index + 1, count }) : t('viewer.image')} aria-current={count > 1 ? active : undefined}
      />
      <BoxOverlay />
      {!active && <ReferenceLine />}
      <MeasureOverlay />
      <Corners />
      <canvas ref={lens} className="lens" data-testid="lens" aria-hidden="true" hidden />
      {playing && <CineRate />}
      {!shown && <div className="pane-message dim of-empty"><span>{t('viewer.emptyPane')}</span></div>}
      {status === 'loading' && (
        <div className="pane-message" role="status">
          <Loader size="sm" aria-hidden="true" />
          <span>{t('viewer.loading')}</span>
        </div>
      )}
      {status === 'error' && (
        <div className="pane-message" role="alert" data-testid="viewer-error">
          <Icon name="error" size={28} />
          <strong>{shown?.instance.fileName}</strong>
          <span>{error && <><strong>{textOf(`problems.code.${error.code}`, error.code)}</strong> {error.message}</>}</span>
          <Button size="xs" variant="default" onClick={() => viewer.retry()}>{t('common.retry')}</Button>
        </div>
      )}
    </div>
  );
}
