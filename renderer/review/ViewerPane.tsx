import { Button, Loader, Select } from '@mantine/core';
import { useEffect, useMemo, useRef, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { ToolButton } from '../ui/ActionButton.tsx';
import { useApp, useAppState, useTextOf, useView } from '../ui/app.ts';
import { windowValue } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { modelOf, shownOf, sliceAt, type Slice } from '../state/selectors.ts';
import { CornerstoneViewport } from '../viewport/cornerstone.ts';
import { sameVoi, type Preset } from '../viewport/presentation.ts';
import { BoxOverlay } from './BoxOverlay.tsx';
import { Corners } from './Corners.tsx';
import { EmptyState } from './EmptyState.tsx';
import { useHeatMapOverlay } from './heatMapOverlay.ts';
import { MeasureMenu } from './MeasureMenu.tsx';
import { MeasureOverlay } from './MeasureOverlay.tsx';
import { usePointer } from './pointer.ts';

export function ViewerPane(): JSX.Element {
  const { t } = useTranslation();
  const empty = useAppState((s) => s.library.studies.length === 0);
  return (
    <main className="viewer" aria-label={t('viewer.title')}>
      <Toolbar />
      {empty ? <EmptyState /> : <Pane />}
    </main>
  );
}

function Toolbar(): JSX.Element {
  const { t } = useTranslation();
  const planes = useView((v) => (v.facts?.planes ?? 0) > 0);
  const detects = useAppState((s) => modelOf(s)?.metadata.fabriclens.task === 'detection');
  return (
    <div className="toolbar" role="toolbar" aria-label={t('viewer.tools')}>
      <ToolButton id="tool.window" />
      <ToolButton id="tool.pan" />
      <ToolButton id="tool.zoom" />
      <ToolButton id="tool.scroll" />
      <MeasureMenu />
      <span className="divider" />
      <ToolButton id="view.fit" />
      <ToolButton id="view.actualSize" />
      <ToolButton id="view.turn" />
      <ToolButton id="view.mirror" />
      <ToolButton id="view.invert" />
      <ToolButton id="view.smooth" />
      {planes && <ToolButton id="view.planes" />}
      <ToolButton id="view.reset" />
      <span className="divider" />
      <Presets />
      <span className="grow" />
      <ToolButton id={detects ? 'boxes.toggle' : 'heatMap.toggle'} />
      <ToolButton id="panel.toggle" />
    </div>
  );
}

function Presets(): JSX.Element {
  const { t } = useTranslation();
  const { viewer } = useApp();
  const presets = useView((v) => v.facts?.presets);
  const voi = useView((v) => v.presentation?.voi ?? null);
  const name = (preset: Preset, index: number): string => {
    return preset.id.startsWith('file-') ? preset.label || t('presets.file', { number: index + 1 }) : t(`presets.${preset.id as 'fullRange'}`);
  };
  const numbers = (preset: Preset | undefined): string => (preset?.voi.kind === 'window' ? t('presets.numbers', { width: windowValue(preset.voi.width, preset.voi.width), center: windowValue(preset.voi.center, preset.voi.width) }) : '');
  const current = presets?.find((preset) => sameVoi(preset.voi, voi));
  return (
    <Select
      className="presets"
      size="xs"
      aria-label={t('presets.title')}
      placeholder={presets?.length ? t('presets.own') : t('presets.short')}
      disabled={!presets?.length}
      data={presets?.map((preset, index) => ({ value: preset.id, label: name(preset, index) })) ?? []}
      value={current?.id ?? null}
      onChange={(id) => {
        const preset = presets?.find((p) => p.id === id);
        if (preset) viewer.setVoi(preset.voi);
      }}
      renderOption={({ option }) => <span className="preset"><span className="grow">{option.label}</span><span className="dim">{numbers(presets?.find((p) => p.id === option.value))}</span></span>}
      comboboxProps={{ width: 230, position: 'bottom-start' }}
      allowDeselect={false}
    />
  );
}

function Pane(): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  const { viewer } = useApp();
  const ref = useRef<HTMLDivElement>(null);
  const library = useAppState((s) => s.library);
  const selection = useAppState((s) => s.selection);
  const shown = useMemo(() => shownOf(library, selection), [library, selection]);
  const status = useView((v) => v.status);
  const error = useView((v) => v.error);
  const tool = useAppState((s) => s.tool);

  useEffect(() => {
    const viewport = new CornerstoneViewport(ref.current!, viewer.tables);
    viewer.attach(viewport);
    return () => {
      viewer.attach(null);
      viewport.dispose();
    };
  }, [viewer]);
  useEffect(() => {
    const ahead = shown ? [1, -1, 2].map((step) => sliceAt(shown.series, shown.position + step)) : [];
    viewer.show(shown, ahead.filter((slice, index): slice is Slice => slice !== null && (index !== 1 || shown!.position > 0)));
  }, [viewer, shown]);
  usePointer(ref);
  useHeatMapOverlay();

  return (
    <div className="pane" data-status={status}>
      <div ref={ref} className="canvas-host" data-testid="viewport" data-tool={tool} role="group" aria-label={t('viewer.image')} tabIndex={0} />
      <BoxOverlay />
      <MeasureOverlay />
      <Corners />
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
