import { Button, Select, Slider } from '@mantine/core';
import { useEffect, useRef, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { ClassificationRun, Comparison, EngineId } from '../../src/contract/engine.ts';
import type { ModelInfo } from '../../src/contract/ipc.ts';
import { runsWithMaps, type Shown } from '../state/selectors.ts';
import type { HeatMapChoice } from '../state/store.ts';
import { useAction, useApp, useAppState, useLocalText } from '../ui/app.ts';
import { Icon } from '../ui/icons.tsx';
import { alphaOf, COLOURS } from '../viewport/heatMap.ts';
import { drawMap, fieldOf, heatMapChoice } from './heatMapOverlay.ts';
import { useRunName } from './MovedRuns.tsx';
import { Thumb } from './Thumb.tsx';

const SMALL = 104;

/** Off until asked for: the reader looks first. Nothing where no engine says where it looked. */
export function HeatMapPanel({ model, shown, comparison }: { model: ModelInfo; shown: Shown; comparison: Comparison }): JSX.Element | null {
  const { t } = useTranslation();
  const local = useLocalText();
  const { session } = useApp();
  const heatMap = useAppState((s) => s.heatMap);
  const toggle = useAction('heatMap.toggle');
  const nameOf = useRunName();
  const choice = heatMapChoice(comparison, heatMap);
  if (!choice) return null;
  const set = (change: Partial<HeatMapChoice>): void => session.store.set((s) => ({ heatMap: { ...s.heatMap, ...change } }));
  const withMaps = runsWithMaps(comparison);
  const label = local(model.metadata.fabriclens.labels[choice.classIndex]!.text);
  return (
    <section aria-label={t('heatMap.title')} data-testid="heatmap-panel">
      <h3>{t('heatMap.title')}</h3>
      <div className="heat-controls">
        <Button size="xs" variant={heatMap.on ? 'filled' : 'default'} aria-pressed={heatMap.on} onClick={toggle.run} title={toggle.title} leftSection={<Icon name="heat" />} data-testid="heatmap-toggle">
          {heatMap.on ? t('heatMap.hide') : t('heatMap.show')}
        </Button>
        <Select size="xs" aria-label={t('heatMap.engine')} allowDeselect={false} value={choice.run.engine} data={withMaps.map((run) => ({ value: run.engine, label: nameOf(run) }))} onChange={(engine) => set({ engine: engine as EngineId })} />
        <Select size="xs" aria-label={t('heatMap.class')} allowDeselect={false} value={String(choice.classIndex)} data={model.metadata.fabriclens.labels.map((l, index) => ({ value: String(index), label: local(l.text) }))} onChange={(value) => set({ classIndex: Number(value) })} />
      </div>
      {heatMap.on && (
        <>
          <div className="opacity">
            <span id="opacity-label">{t('heatMap.opacity')}</span>
            <Slider className="grow" size="sm" min={0} max={100} step={5} value={Math.round(heatMap.opacity * 100)} onChange={(value) => set({ opacity: value / 100 })} label={null} thumbProps={{ 'aria-labelledby': 'opacity-label' }} data-testid="opacity" />
            <span className="number">{Math.round(heatMap.opacity * 100)} %</span>
          </div>
          <Legend scale={choice.scale} label={label} />
          <div className="small-maps">
            {withMaps.map((run) => (
              <figure key={run.engine} data-current={run === choice.run}>
                <SmallMap model={model} shown={shown} run={run} classIndex={choice.classIndex} scale={choice.scale} opacity={heatMap.opacity} />
                <figcaption>{nameOf(run)}</figcaption>
              </figure>
            ))}
          </div>
        </>
      )}
    </section>
  );
}

function Legend({ scale, label }: { scale: number; label: string }): JSX.Element {
  const { t } = useTranslation();
  const ref = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = ref.current!.getContext('2d')!;
    const image = context.createImageData(256, 1);
    for (let i = 0; i < 256; i++) image.data.set([COLOURS[i * 3]!, COLOURS[i * 3 + 1]!, COLOURS[i * 3 + 2]!, Math.round(255 * alphaOf(i / 255))], i * 4);
    context.putImageData(image, 0, 0);
  }, []);
  return (
    <div className="legend" data-testid="legend">
      <canvas ref={ref} width={256} height={1} aria-hidden="true" />
      <div className="legend-scale number"><span>0</span><span>{(scale / 2).toFixed(2)}</span><span>{scale.toFixed(2)}</span></div>
      <p className="dim small">{scale > 0 ? t('heatMap.legend', { label }) : t('heatMap.nothing', { label })}</p>
    </div>
  );
}

function SmallMap({ model, shown, run, classIndex, scale, opacity }: { model: ModelInfo; shown: Shown; run: ClassificationRun; classIndex: number; scale: number; opacity: number }): JSX.Element {
  const ref = useRef<HTMLCanvasElement>(null);
  const { rows, columns } = shown.instance;
  const shrink = SMALL / Math.max(rows, columns);
  const field = fieldOf(model.metadata, shown);
  useEffect(() => drawMap(ref.current!, run.classMaps!, classIndex, scale, field, 128), [run, classIndex, scale, field]);
  return (
    <span className="small-map" style={{ width: SMALL, height: SMALL }}>
      <Thumb instanceId={shown.instance.id} frame={shown.frame} size={SMALL} />
      <span className="small-map-clip" style={{ width: columns * shrink, height: rows * shrink }}>
        <canvas ref={ref} aria-hidden="true" style={{ opacity, left: field.x * shrink, top: field.y * shrink, width: field.width * shrink, height: field.height * shrink }} />
      </span>
    </span>
  );
}
