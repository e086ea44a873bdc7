/** The tools over the image. What a narrow window has no room for stands in the menus and on the keys. */
import { Select } from '@mantine/core';
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { shownNow } from '../state/panes.ts';
import { modelOf } from '../state/selectors.ts';
import { ToolButton } from '../ui/ActionButton.tsx';
import { useApp, useAppState, useView, useViewer } from '../ui/app.ts';
import { windowValue } from '../ui/format.ts';
import { sameVoi, type Preset } from '../viewport/presentation.ts';
import { LayoutMenu } from './LayoutMenu.tsx';
import { MeasureMenu } from './MeasureMenu.tsx';
import { MoreMenu } from './MoreMenu.tsx';

export function Toolbar(): JSX.Element {
  const { t } = useTranslation();
  const stack = useAppState((s) => (shownNow(s)?.count ?? 0) > 1);
  const planes = useView((v) => (v.facts?.planes ?? 0) > 0);
  const detects = useAppState((s) => modelOf(s)?.metadata.fabriclens.task === 'detection');
  return (
    <div className="toolbar" role="toolbar" aria-label={t('viewer.tools')}>
      <ToolButton id="tool.window" />
      <ToolButton id="tool.pan" />
      <ToolButton id="tool.zoom" />
      <ToolButton id="tool.scroll" />
      {stack && <ToolButton id="cine.toggle" />}
      <MeasureMenu />
      <span className="divider" />
      <ToolButton id="view.fit" />
      <ToolButton id="view.actualSize" />
      <ToolButton id="view.turn" />
      <ToolButton id="view.mirror" />
      <ToolButton id="view.invert" />
      {planes && <ToolButton id="view.planes" />}
      <ToolButton id="view.reset" />
      <span className="divider" />
      <Presets />
      <LayoutMenu />
      <MoreMenu />
      <span className="grow" />
      <ToolButton id={detects ? 'boxes.toggle' : 'heatMap.toggle'} />
      <ToolButton id="panel.toggle" />
    </div>
  );
}

function Presets(): JSX.Element {
  const { t } = useTranslation();
  const { viewers } = useApp();
  const viewer = useViewer();
  const presets = useView((v) => v.facts?.presets);
  // Its name alone: a drag of the window changes the picture, not the list.
  const current = useView(({ facts, presentation }) => facts?.presets.find((preset) => sameVoi(preset.voi, presentation?.voi ?? null))?.id ?? null);
  const name = (preset: Preset, index: number): string => {
    return preset.id.startsWith('file-') ? preset.label || t('presets.file', { number: index + 1 }) : t(`presets.${preset.id as 'fullRange'}`);
  };
  const numbers = (preset: Preset | undefined): string => (preset?.voi.kind === 'window' ? t('presets.numbers', { width: windowValue(preset.voi.width, preset.voi.width), center: windowValue(preset.voi.center, preset.voi.width) }) : '');
  return (
    <Select
      className="presets"
      size="xs"
      aria-label={t('presets.title')}
      placeholder={presets?.length ? t('presets.own') : t('presets.short')}
      disabled={!presets?.length}
      data={presets?.map((preset, index) => ({ value: preset.id, label: name(preset, index) })) ?? []}
      value={current}
      onChange={(id) => {
        const preset = presets?.find((p) => p.id === id);
        if (preset) viewers.window(viewer, (each) => each.setVoi(preset.voi));
      }}
      renderOption={({ option }) => <span className="preset"><span className="grow">{option.label}</span><span className="dim">{numbers(presets?.find((p) => p.id === option.value))}</span></span>}
      comboboxProps={{ width: 230, position: 'bottom-start' }}
      allowDeselect={false}
    />
  );
}

