import { Button, Select } from '@mantine/core';
import { useMemo, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { Warning } from '../../src/contract/engine.ts';
import type { ModelInfo } from '../../src/contract/ipc.ts';
import { comparisonKey, entryOf, intentConcern, modelOf, okRuns, shownOf, type Shown } from '../state/selectors.ts';
import { selectionOf } from '../state/panes.ts';
import type { ComparisonEntry } from '../state/store.ts';
import { useAction, useApp, useAppState, useLocalText, useTextOf } from '../ui/app.ts';
import { localTime } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { DetectionsPanel } from './DetectionsPanel.tsx';
import { HeatMapPanel } from './HeatMapPanel.tsx';
import { IdentityList } from './IdentityList.tsx';
import { Latency } from './Latency.tsx';
import { MovedRuns } from './MovedRuns.tsx';
import { Probabilities } from './Probabilities.tsx';
import { agreementOf, isBeyond } from './verdict.ts';

export function ComparisonPanel(): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const local = useLocalText();
  const models = useAppState((s) => s.models);
  const model = useAppState(modelOf);
  return (
    <aside className="comparison" aria-label={t('panel.title')} data-testid="comparison">
      <header className="panel-head">
        <h2>{t('panel.title')}</h2>
        {model && models.length > 1 && (
          <Select size="xs" className="grow" aria-label={t('panel.model')} allowDeselect={false} value={model.id} data={models.map((m) => ({ value: m.id, label: local(m.metadata.fabriclens.title) }))} onChange={(modelId) => session.store.set({ modelId })} />
        )}
      </header>
      <div className="panel-body" tabIndex={-1}>
        {!model && <NoModel />}
        {model && (
          <p className="model-line">
            <span className="grow">{local(model.metadata.fabriclens.title)} <span className="dim">{model.metadata.version}</span></span>
            <button type="button" className="link" onClick={() => session.store.set({ workspace: 'models', modelId: model.id })}>{t('panel.card')}</button>
          </p>
        )}
        {model && <ForShown model={model} />}
      </div>
    </aside>
  );
}

/** What changes with every picture of a stack; what stands above it does not. */
function ForShown({ model }: { model: ModelInfo }): JSX.Element {
  const { t } = useTranslation();
  const library = useAppState((s) => s.library);
  const selection = useAppState(selectionOf);
  const shown = useMemo(() => shownOf(library, selection), [library, selection]);
  return shown ? <ForImage model={model} shown={shown} /> : <p className="dim">{t('panel.noImage')}</p>;
}

function NoModel(): JSX.Element {
  const { t } = useTranslation();
  const problems = useAppState((s) => s.modelProblems);
  return (
    <>
      <p className="dim">{t('models.none')}</p>
      {problems.map((problem) => (
        <div key={problem.name} className="callout error"><Icon name="error" /><p><strong>{problem.name}</strong> {problem.message}</p></div>
      ))}
    </>
  );
}

function ForImage({ model, shown }: { model: ModelInfo; shown: Shown }): JSX.Element {
  const { session } = useApp();
  const { t } = useTranslation();
  const entry = useAppState((s) => entryOf(s, shown));
  const confirmed = useAppState((s) => s.confirmed.includes(comparisonKey(shown, model.id)));
  const concern = intentConcern(shown.instance, model.metadata);
  const exporting = useAction('compare.export');
  const results = useAction('workspace.results');
  const outdated = useAppState((s) => s.outdated[comparisonKey(shown, model.id)] ?? 0);
  const comparison = entry?.comparison ?? null;
  const warnings = comparison?.warnings ?? [];
  return (
    <>
      {concern && !warnings.some((w) => /intended/.test(w.code)) && <Concern model={model} shown={shown} concern={concern} />}
      {warnings.map((warning, index) => <WarningLine key={index} warning={warning} />)}
      {concern && !confirmed && !comparison
        ? <Button color="yellow" variant="outline" leftSection={<Icon name="warning" />} onClick={() => void session.compare(true)} data-testid="run-anyway">{t('panel.runAnyway')}</Button>
        : <RunControls entry={entry} />}
      {entry?.state === 'failed' && <div className="callout error" role="alert"><Icon name="error" /><p>{entry.error}</p></div>}
      {entry?.state === 'cancelled' && <p className="dim" role="status">{t('panel.cancelled')}</p>}
      {!entry && <p className="dim">{t('panel.lookFirst')}</p>}
      {entry?.at && entry.state !== 'running' && <p className="kept" data-testid="kept"><Icon name="clock" size={14} />{t('panel.kept', { at: localTime(entry.at) })}</p>}
      {outdated > 0 && <p className="dim" data-testid="outdated">{t('panel.outdated', { count: outdated })} <button type="button" className="link" onClick={results.run}>{t('panel.results')}</button></p>}
      {shown.count > 1 && <SeriesControls shown={shown} />}
      {entry && comparison && (
        <div className={entry.state === 'running' ? 'results stale' : 'results'} data-testid="results">
          <MovedRuns runs={okRuns(comparison.runs)} />
          <Verdict entry={entry} />
          {comparison.task === 'detection' && <DetectionsPanel model={model} shown={shown} comparison={comparison} engines={entry.engines} />}
          {comparison.task === 'classification' && model.metadata.fabriclens.task === 'classification' && <Probabilities fields={model.metadata.fabriclens} comparison={comparison} engines={entry.engines} />}
          <HeatMapPanel model={model} shown={shown} comparison={comparison} />
          <Latency comparison={comparison} />
          <IdentityList comparison={comparison} />
          <Button variant="default" size="xs" leftSection={<Icon name="export" />} onClick={exporting.run} title={exporting.title}>{t('panel.export')}</Button>
        </div>
      )}
    </>
  );
}

function Concern({ model, shown, concern }: { model: ModelInfo; shown: Shown; concern: 'modality' | 'bodyPart' }): JSX.Element {
  const { t } = useTranslation();
  const local = useLocalText();
  const { intended } = model.metadata.fabriclens;
  return (
    <div className="callout warning" role="alert" data-testid="concern">
      <Icon name="warning" size={20} />
      <div>
        <strong>{concern === 'modality' ? t('warnings.modality', { modality: shown.instance.modality, intended: intended.modalities.join(', ') }) : t('warnings.bodyPart', { bodyPart: shown.instance.bodyPart, intended: intended.bodyParts.join(', ') })}</strong>
        <p>{local(intended.text)}</p>
      </div>
    </div>
  );
}

/** In the reader's language where the code is known; else the host's sentence. */
function WarningLine({ warning }: { warning: Warning }): JSX.Element {
  const textOf = useTextOf();
  const { engine } = warning.values;
  const values = engine === undefined ? warning.values : { ...warning.values, engine: textOf(`engine.${engine}`, engine) };
  return (
    <div className="callout warning" role="alert" data-testid="warning">
      <Icon name="warning" size={18} />
      <p>{textOf(`warnings.code.${warning.code}`, warning.message, values)}</p>
    </div>
  );
}

function RunControls({ entry }: { entry: ComparisonEntry | null }): JSX.Element {
  const { t } = useTranslation();
  const run = useAction('compare.run');
  const cancel = useAction('compare.cancel');
  if (entry?.state !== 'running') {
    return (
      <Button onClick={run.run} disabled={!run.possible} title={run.title} leftSection={<Icon name="run" />} data-testid="run" variant={entry?.comparison ? 'default' : 'filled'}>
        {entry?.comparison ? t('panel.again') : t('panel.run')}
      </Button>
    );
  }
  return (
    <div className="running" role="status" data-testid="running">
      {entry.engines.map((engine) => {
        const run = entry.arrived[engine];
        const progress = entry.progress[engine];
        const state = run ? (run.state === 'ok' ? t('panel.arrived') : t('panel.failedShort')) : progress ? t('panel.repeat', progress) : t('panel.waiting');
        return (
          <div key={engine} className="running-row">
            <span>{t(`engine.${engine}`)}</span>
            <progress aria-label={t(`engine.${engine}`)} value={run ? 1 : progress ? progress.done / Math.max(1, progress.total) : 0} max={1} />
            <span className="dim">{state}</span>
          </div>
        );
      })}
      <Button variant="default" size="xs" onClick={cancel.run} leftSection={<Icon name="stop" />} data-testid="cancel">{t('common.cancel')}</Button>
    </div>
  );
}

/** Every image of the stack, one after another. */
function SeriesControls({ shown }: { shown: Shown }): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const run = useAction('compare.series');
  const results = useAction('workspace.results');
  const seriesRun = useAppState((s) => s.seriesRun);
  if (!seriesRun) {
    return (
      <div className="series-run">
        <Button size="xs" variant="default" leftSection={<Icon name="run" size={14} />} disabled={!run.possible} title={run.title} onClick={run.run} data-testid="run-series">{t('panel.runSeries', { count: shown.count })}</Button>
        <button type="button" className="link" onClick={results.run}>{t('panel.results')}</button>
      </div>
    );
  }
  return (
    <div className="series-run" role="status" data-testid="series-running">
      <progress aria-label={t('panel.seriesRunning', { done: seriesRun.done, total: seriesRun.total })} value={seriesRun.done} max={seriesRun.total} />
      <span className="dim">{t('panel.seriesRunning', { done: seriesRun.done, total: seriesRun.total })}</span>
      <Button size="compact-xs" variant="default" leftSection={<Icon name="stop" size={12} />} onClick={() => { session.cancelSeries(); }} data-testid="cancel-series">{t('panel.cancelSeries')}</Button>
    </div>
  );
}

function Verdict({ entry }: { entry: ComparisonEntry }): JSX.Element | null {
  const { t } = useTranslation();
  const { comparison } = entry;
  if (!comparison) return null;
  const agreement = agreementOf(comparison);
  const beyond = isBeyond(comparison);
  const detects = comparison.task === 'detection';
  const flips = comparison.flips.map((engine) => t(`engine.${engine}`)).join(', ');
  return (
    <div className={`verdict ${agreement}`} data-testid="verdict" data-agreement={agreement}>
      <Icon name={agreement === 'flip' ? 'flip' : agreement === 'agree' ? 'check' : agreement === 'apart' ? 'warning' : agreement === 'none' ? 'error' : 'info'} size={22} />
      <div>
        <strong>{detects && (agreement === 'flip' || agreement === 'apart' || agreement === 'noReference') ? t(`boxes.verdict.${agreement}`) : t(`verdict.${agreement}`, { engines: flips, answered: okRuns(comparison.runs).length, asked: comparison.runs.length })}</strong>
        {detects && comparison.agreements.filter(({ missing, extra }) => missing + extra > 0).map(({ engine, missing, extra }) => <p key={engine}>{t('boxes.verdict.counts', { engine: t(`engine.${engine}`), missing, extra })}</p>)}
        {comparison.maxDelta !== null && (agreement === 'agree' || agreement === 'agreePartly' || agreement === 'apart' || agreement === 'flip') && (
          <p className={beyond ? 'beyond' : 'dim'}>
            {beyond && <Icon name="warning" size={14} />}
            {t(detects ? (beyond ? 'boxes.verdict.beyond' : 'boxes.verdict.within') : beyond ? 'verdict.beyond' : 'verdict.within', { delta: comparison.maxDelta.toFixed(4), tolerance: comparison.tolerance })}
          </p>
        )}
      </div>
    </div>
  );
}
