/** The class-activation map that lies over the image: made when switched on, dropped when off. */
import { useEffect, useMemo } from 'react';
import type { ModelMetadata } from '../../src/contract/model.ts';
import type { ClassificationRun, ClassMaps, Comparison, EngineId } from '../../src/contract/engine.ts';
import { entryOf, heatMapRun, modelOf, runsWithMaps, type Shown } from '../state/selectors.ts';
import { useAppState, useView, useViewer } from '../ui/app.ts';
import { colourise, commonScale, inputField, resampleBilinear, type Rect } from '../viewport/heatMap.ts';
import { sliceKey } from '../viewport/frames.ts';

/** The map is upsampled to this many pixels on its longer side; the canvas scales it on smoothly. */
const RASTER = 384;

/** What is chosen, or the default: the class under the threshold, the first engine that has maps. */
export function heatMapChoice(comparison: Comparison | null, choice: { engine: EngineId | null; classIndex: number | null }): { run: ClassificationRun; classIndex: number; scale: number } | null {
  const run = heatMapRun(comparison, choice.engine);
  if (comparison?.task !== 'classification' || !run?.classMaps) return null;
  // A class chosen for another model may not exist in this one.
  const classIndex = choice.classIndex !== null && choice.classIndex < run.classMaps.maps.length ? choice.classIndex : comparison.threshold.classIndex;
  const maps = runsWithMaps(comparison).flatMap((r) => (r.classMaps?.maps[classIndex] ? [r.classMaps.maps[classIndex]] : []));
  return { run, classIndex, scale: commonScale(maps) };
}

/** Upsampled and coloured, in the shape of `rect`. */
export function drawMap(canvas: HTMLCanvasElement, classMaps: ClassMaps, classIndex: number, scale: number, rect: Pick<Rect, 'width' | 'height'>, raster = RASTER): void {
  const shrink = raster / Math.max(rect.width, rect.height);
  const width = Math.max(1, Math.round(rect.width * shrink));
  const height = Math.max(1, Math.round(rect.height * shrink));
  const values = resampleBilinear(classMaps.maps[classIndex]!, classMaps.rows, classMaps.columns, height, width);
  canvas.width = width;
  canvas.height = height;
  canvas.getContext('2d')!.putImageData(new ImageData(colourise(values, scale), width, height), 0, 0);
}

export function fieldOf(metadata: ModelMetadata, shown: Shown): Rect {
  return inputField(metadata.fabriclens.preprocessing, shown.instance.rows, shown.instance.columns);
}

export function useHeatMapOverlay(): void {
  const viewer = useViewer();
  const drawn = useView((v) => v.drawn);
  const heatMap = useAppState((s) => s.heatMap);
  const model = useAppState(modelOf);
  const comparison = useAppState((s) => entryOf(s, drawn)?.comparison ?? null);
  const { on, engine, classIndex, opacity } = heatMap;
  const overlay = useMemo(() => {
    const choice = on && drawn && model ? heatMapChoice(comparison, { engine, classIndex }) : null;
    if (!choice?.run.classMaps || !drawn || !model) return null;
    const rect = fieldOf(model.metadata, drawn);
    const canvas = document.createElement('canvas');
    drawMap(canvas, choice.run.classMaps, choice.classIndex, choice.scale, rect);
    return { key: sliceKey(drawn), canvas, rect };
  }, [on, engine, classIndex, comparison, drawn, model]);
  useEffect(() => viewer.setOverlay(overlay && { ...overlay, opacity }), [viewer, overlay, opacity]);
}
