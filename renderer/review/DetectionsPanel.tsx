import { Button, Slider } from '@mantine/core';
import { useMemo, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { IOU_MATCH, type DetectionComparison, type EngineId } from '../../src/contract/engine.ts';
import type { ModelInfo } from '../../src/contract/ipc.ts';
import type { Shown } from '../state/selectors.ts';
import type { BoxesChoice } from '../state/store.ts';
import { useAction, useApp, useAppState, useLocalText } from '../ui/app.ts';
import { probability } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { sliceKey } from '../viewport/frames.ts';
import { byLabel, drawnEngines, reaches, rowsOf, scoreFrom, type BoxRow } from './boxes.ts';
import { EngineLine } from './EngineLine.tsx';
import { FailedRuns } from './FailedRuns.tsx';
import { useRunName } from './MovedRuns.tsx';
import { columnsOf } from './verdict.ts';

/** What the engines found: whose boxes are drawn, from which score on, and a table a label. */
export function DetectionsPanel({ model, shown, comparison, engines }: { model: ModelInfo; shown: Shown; comparison: DetectionComparison; engines: readonly EngineId[] }): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const boxes = useAppState((s) => s.boxes);
  const set = (change: Partial<BoxesChoice>): void => session.store.set((s) => ({ boxes: { ...s.boxes, ...change } }));
  const all = useMemo(() => rowsOf(comparison), [comparison]);
  const from = scoreFrom(comparison, boxes);
  const rows = all.filter((row) => reaches(row, from));
  return (
    <section aria-label={t('boxes.title')} data-testid="detections">
      <div className="section-head">
        <h3>{t('boxes.title')}</h3>
        <Toggle on={boxes.on} />
      </div>
      <Controls comparison={comparison} boxes={boxes} set={set} />
      <div className="opacity">
        <span id="score-label">{t('boxes.threshold')}</span>
        <Slider className="grow" size="sm" min={comparison.rule.scoreThreshold} max={1} step={0.01} value={from} onChange={(threshold) => set({ threshold })} label={null} thumbProps={{ 'aria-labelledby': 'score-label' }} data-testid="score-threshold" />
        <span className="number">{from.toFixed(2)}</span>
      </div>
      {all.length > rows.length && <p className="dim small" role="status">{t('boxes.shown', { shown: rows.length, all: all.length })}</p>}
      {rows.length === 0
        ? <p className="nothing-found" data-testid="nothing-found"><Icon name="info" />{t('boxes.nothing', { value: from.toFixed(2) })}</p>
        : <Table model={model} shown={shown} comparison={comparison} engines={engines} rows={rows} from={from} set={set} pointed={boxes.highlighted?.key === sliceKey(shown) ? boxes.highlighted.group : null} />}
      {rows.length > 0 && <p className="dim small">{t('boxes.note', { match: IOU_MATCH })}</p>}
      <FailedRuns runs={columnsOf(engines, comparison.runs).flatMap(({ run }) => (run?.state === 'failed' ? [run] : []))} />
    </section>
  );
}

function Toggle({ on }: { on: boolean }): JSX.Element {
  const { t } = useTranslation();
  const toggle = useAction('boxes.toggle');
  return (
    <Button size="xs" variant={on ? 'filled' : 'default'} aria-pressed={on} onClick={toggle.run} title={toggle.title} leftSection={<Icon name="boxes" />} data-testid="boxes-toggle">
      {on ? t('boxes.hide') : t('boxes.show')}
    </Button>
  );
}

function Controls({ comparison, boxes, set }: { comparison: DetectionComparison; boxes: BoxesChoice; set: (change: Partial<BoxesChoice>) => void }): JSX.Element {
  const { t } = useTranslation();
  const nameOf = useRunName();
  const drawn = drawnEngines(comparison, boxes);
  const answered = comparison.runs.filter((run) => run.state === 'ok');
  return (
    <div className="engine-chips" role="group" aria-label={t('boxes.whose')}>
      {answered.map((run) => {
        const { engine, boxes: found } = run;
        const on = drawn.includes(engine);
        return (
          <button
            key={engine}
            type="button"
            className="engine-chip"
            aria-pressed={on}
            disabled={!boxes.on}
            aria-label={t('boxes.engine', { engine: nameOf(run), count: found.length })}
            // All of them again is all of them, also of those that answer next time.
            onClick={() => set({ engines: on ? drawn.filter((e) => e !== engine) : drawn.length + 1 === answered.length ? null : [...drawn, engine] })}
            data-testid={`boxes-of-${engine}`}
          >
            <EngineLine engine={engine} />
            {nameOf(run)}
            <span className="dim">{found.length}</span>
          </button>
        );
      })}
    </div>
  );
}

interface TableProps {
  model: ModelInfo;
  shown: Shown;
  comparison: DetectionComparison;
  engines: readonly EngineId[];
  rows: readonly BoxRow[];
  from: number;
  pointed: number | null;
  set: (change: Partial<BoxesChoice>) => void;
}

function Table({ model, shown, comparison, engines, rows, from, pointed, set }: TableProps): JSX.Element {
  const { t } = useTranslation();
  const local = useLocalText();
  const nameOf = useRunName();
  const columns = columnsOf(engines, comparison.runs);
  const name = (label: number): string => local(model.metadata.fabriclens.labels[label]!.text);
  return (
    <table className="grid boxes-table" data-testid="detections-table" onMouseLeave={() => set({ highlighted: null })}>
      <caption className="sr-only">{t('boxes.title')}</caption>
      <thead>
        <tr>
          <th scope="col">{t('boxes.found')}</th>
          {columns.map(({ engine, run }) => <th key={engine} scope="col" className="number">{run?.state === 'ok' ? nameOf(run) : t(`engine.${engine}`)}</th>)}
          <th scope="col" className="number">{t('boxes.iou')}</th>
        </tr>
      </thead>
      {byLabel(rows).map(({ label, rows: list }) => (
        <tbody key={label}>
          <tr className="label-row"><th scope="rowgroup" colSpan={columns.length + 2}>{t('boxes.group', { label: name(label), count: list.length })}</th></tr>
          {list.map((row) => {
            const point = (): void => set({ highlighted: { key: sliceKey(shown), group: row.group } });
            const { x, y, width, height } = row.first;
            const pixels = { width: width.toFixed(0), height: height.toFixed(0) };
            return (
              <tr key={row.group} className={row.group === pointed ? 'pointed' : ''} onMouseEnter={point} data-testid="detection" data-group={row.group}>
                <th scope="row">
                  <button type="button" className="box-row" aria-label={t('boxes.row', { label: name(label), ...pixels, x: x.toFixed(0), y: y.toFixed(0) })} onFocus={point} onBlur={() => set({ highlighted: null })} onClick={point}>
                    {t('boxes.size', pixels)}
                  </button>
                </th>
                {columns.map(({ engine, run }) => <td key={engine} className="number">{run?.state === 'ok' ? <Score row={row} engine={engine} from={from} /> : <span className="dim">–</span>}</td>)}
                <td className="number">{row.iou === null ? <span className="dim">–</span> : row.iou.toFixed(2)}</td>
              </tr>
            );
          })}
        </tbody>
      ))}
    </table>
  );
}

/** What this engine did not find is told in words, not by a gap. */
function Score({ row, engine, from }: { row: BoxRow; engine: EngineId; from: number }): JSX.Element {
  const { t } = useTranslation();
  const box = row.boxes.get(engine);
  if (!box) return <span className="not-found"><Icon name="flip" size={12} />{t('boxes.none')}</span>;
  return <span className={box.score < from ? 'dim' : ''}>{probability(box.score)}</span>;
}
