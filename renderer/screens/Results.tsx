import { Button, SegmentedControl, Switch } from '@mantine/core';
import { useEffect, useMemo, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { EngineId } from '../../src/contract/engine.ts';
import type { ResultRow } from '../../src/contract/studies.ts';
import { shownNow } from '../state/panes.ts';
import { bySeries, enginesOf, isPositive, type SeriesResults } from '../state/resultRows.ts';
import { useApp, useAppState, useLocalText } from '../ui/app.ts';
import { localTime, milliseconds, personName, probability } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';

/** Lines drawn at once: more is a file's business. */
const MOST = 1_000;

/** What the engines said, image by image, kept from session to session. */
export function Results(): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const { all, flipsOnly, rows, error } = useAppState((s) => s.results);
  const shownStudy = useAppState((s) => shownNow(s)?.study ?? null);
  useEffect(() => void session.studies.results(), [session, shownStudy?.uid]);
  const groups = useMemo(() => bySeries((rows ?? []).slice(0, MOST)), [rows]);
  const engines = useMemo(() => enginesOf(rows ?? []), [rows]);
  const everything = all || !shownStudy;
  const exported = (format: 'csv' | 'json'): void => void session.studies.exportResults(format, t('results.exported'), (text) => session.notify('info', text));
  return (
    <main className="screen" aria-label={t('results.title')} data-testid="results-table">
      <div className="list-head">
        <h2 className="screen-title">{t('results.title')}</h2>
        <SegmentedControl
          size="xs" aria-label={t('results.of')} value={everything ? 'all' : 'study'} onChange={(value) => void session.studies.results({ all: value === 'all' })}
          data={[{ value: 'study', label: shownStudy ? personName(shownStudy.patientName) || t('studies.unnamed') : t('results.noStudy'), disabled: !shownStudy }, { value: 'all', label: t('results.all') }]}
        />
        <Switch size="xs" label={t('results.flipsOnly')} checked={flipsOnly} onChange={(event) => void session.studies.results({ flipsOnly: event.currentTarget.checked })} />
        <span className="dim grow" role="status" data-testid="results-count">{rows && t('results.count', { count: rows.length })}</span>
        <Button size="xs" variant="default" leftSection={<Icon name="export" />} disabled={!rows?.length} onClick={() => exported('csv')}>{t('results.csv')}</Button>
        <Button size="xs" variant="default" leftSection={<Icon name="export" />} disabled={!rows?.length} onClick={() => exported('json')}>{t('results.json')}</Button>
      </div>
      {error !== '' && <div className="callout error" role="alert"><Icon name="error" /><p>{error}</p></div>}
      <div className="list-body" tabIndex={0} role="region" aria-label={t('results.table')}>
        {rows?.length === 0 && <p className="dim pad">{t(flipsOnly ? 'results.noFlips' : 'results.none')}</p>}
        {groups.length > 0 && (
          <table className="grid rows numbers">
            <thead>
              <tr>
                <th scope="col">{t('results.image')}</th>
                {engines.map((engine) => <th key={engine} scope="col" className="number">{t(`engine.${engine}`)}</th>)}
                <th scope="col" className="number">{t('results.maxDelta')}</th>
                <th scope="col">{t('results.decision')}</th>
                <th scope="col">{t('results.at')}</th>
              </tr>
            </thead>
            {groups.map((group) => <Group key={group.key} group={group} engines={engines} named={everything} />)}
          </table>
        )}
        {rows && rows.length > MOST && <p className="dim pad">{t('results.cut', { shown: MOST, total: rows.length })}</p>}
      </div>
    </main>
  );
}

function Group({ group, engines, named }: { group: SeriesResults; engines: readonly EngineId[]; named: boolean }): JSX.Element {
  const { t } = useTranslation();
  const local = useLocalText();
  const { rows, highest, positive, flips, maxDelta } = group;
  const first = rows[0]!;
  const title = useAppState((s) => s.models.find(({ id }) => id === first.model)?.metadata.fabriclens.title);
  const series = [first.seriesNumber === null ? '' : t('viewer.series', { number: first.seriesNumber }), first.seriesDescription].filter(Boolean).join(' · ');
  return (
    <tbody>
      <tr className="group">
        <th scope="rowgroup" colSpan={engines.length + 4}>
          <strong>{[...(named ? [personName(first.patientName) || t('studies.unnamed')] : []), series || first.fileName].join(' · ')}</strong>{' '}
          <span className="dim">{title ? local(title) : first.model} {first.modelVersion}</span>
          {!first.current && <span className="mark warn"><Icon name="warning" size={12} />{t('results.notCurrent')}</span>}
          <p className="dim">
            {t('results.summary', { count: rows.length, positive })}{' '}
            {highest && t('results.highest', { score: probability(highest.runs[0]!.score!), image: imageNumber(highest) })}{' '}
            {t('results.flips', { count: flips })}{maxDelta !== null && ` ${t('results.delta', { delta: maxDelta.toFixed(4) })}`}
          </p>
        </th>
      </tr>
      {rows.map((row) => <Line key={row.id} row={row} engines={engines} />)}
    </tbody>
  );
}

const imageNumber = (row: ResultRow): string => `${row.instanceNumber ?? row.fileName}${row.frames > 1 ? `/${row.frame + 1}` : ''}`;

function Line({ row, engines }: { row: ResultRow; engines: readonly EngineId[] }): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const go = async (): Promise<void> => {
    if (!(await session.studies.goTo(row))) session.notify('error', t('results.gone', { file: row.fileName }));
  };
  const beyond = row.maxDelta !== null && row.maxDelta > row.tolerance;
  return (
    <tr data-testid="result-row" className={row.flips.length > 0 ? 'flipped' : undefined} onDoubleClick={() => void go()}>
      <th scope="row"><button type="button" className="link" onClick={() => void go()}>{t('results.imageName', { image: imageNumber(row) })}</button></th>
      {engines.map((engine) => <Score key={engine} row={row} engine={engine} />)}
      <td className={beyond ? 'number beyond' : 'number'}>{row.maxDelta === null ? '' : row.maxDelta.toFixed(4)}{beyond && <Icon name="warning" size={12} />}</td>
      <td>
        {row.flips.length > 0 ? <span className="mark warn"><Icon name="flip" size={12} />{t('results.flip', { engines: row.flips.map((engine) => t(`engine.${engine}`)).join(', ') })}</span> : null}
        {row.warnings > 0 && <span className="mark">{t('results.warnings', { count: row.warnings })}</span>}
      </td>
      <td className="nowrap">{localTime(row.at)}</td>
    </tr>
  );
}

/** Score, and below it the latency by whose clock. */
function Score({ row, engine }: { row: ResultRow; engine: EngineId }): JSX.Element {
  const { t } = useTranslation();
  const run = row.runs.find((one) => one.engine === engine);
  if (!run) return <td />;
  if (run.p50 === null) return <td className="number"><span className="dim" title={run.error}>{t('panel.noAnswer')}</span></td>;
  return (
    <td className="number">
      {run.boxes !== null && <span className="dim">{t('results.boxes', { count: run.boxes })} </span>}
      {run.score !== null && <strong className={isPositive(row, run) ? 'positive' : undefined}>{probability(run.score)}</strong>}
      {run.flip && <Icon name="flip" size={12} />}
      <span className="dim block">{t('results.latency', { ms: milliseconds(run.p50) })} {run.sources.map((source) => t(`latency.source.${source}`)).join(', ')}{run.moved !== '' && ` (${run.moved})`}</span>
    </td>
  );
}
