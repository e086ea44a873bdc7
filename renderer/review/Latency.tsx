import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { TimingPart, type Comparison } from '../../src/contract/engine.ts';
import { okRuns } from '../state/selectors.ts';
import { milliseconds } from '../ui/format.ts';
import { useRunName } from './MovedRuns.tsx';
import { commonRepeats, partsOf, sourcesOf, sourcesOfPart, waterfall } from './verdict.ts';

/** Parts end to end on one axis, then the same as numbers; the source of each is written, not only coloured. */
export function Latency({ comparison }: { comparison: Comparison }): JSX.Element | null {
  const { t } = useTranslation();
  const nameOf = useRunName();
  const runs = okRuns(comparison.runs);
  if (runs.length === 0) return null;
  const { rows, axisMs, ticks } = waterfall(comparison.runs);
  const repeats = commonRepeats(comparison.runs);
  return (
    <section aria-label={t('latency.title')} data-testid="latency">
      <h3>{t('latency.title')} <span className="dim">{repeats === null ? t('latency.unit') : t('latency.repeats', { count: repeats })}</span></h3>
      <div className="waterfall" role="img" aria-label={rows.map((row) => t('latency.row', { engine: nameOf(row.run), p50: milliseconds(row.total.p50), p95: milliseconds(row.total.p95) })).join('; ')}>
        {rows.map((row) => (
          <div key={row.run.engine} className="waterfall-row">
            <span className="waterfall-name">{nameOf(row.run)}</span>
            <span className="waterfall-track">
              <span className="waterfall-p95" style={{ width: `${row.p95End * 100}%` }} />
              {row.segments.map((segment) => (
                <span key={segment.part} className={`segment part-${segment.part} source-${segment.source}`} style={{ left: `${segment.start * 100}%`, width: `${segment.width * 100}%` }} title={`${t(`latency.part.${segment.part}`)} ${milliseconds(segment.p50)} ms`} />
              ))}
            </span>
          </div>
        ))}
        <div className="waterfall-axis">
          {ticks.map((tick) => <span key={tick} style={{ left: `${(tick / axisMs) * 100}%` }}>{tick === axisMs ? `${tick} ms` : tick}</span>)}
        </div>
      </div>
      <table className="grid numbers">
        <caption className="sr-only">{t('latency.title')}</caption>
        <thead>
          <tr>
            <th scope="col">{t('latency.unit')}</th>
            {runs.map((run) => <th key={run.engine} scope="col" className="number">{nameOf(run)}</th>)}
            <th scope="col">{t('latency.sourceTitle')}</th>
          </tr>
        </thead>
        <tbody>
          {partsOf(comparison.runs, TimingPart.options).map((part) => (
            <tr key={part}>
              <th scope="row"><span className={`swatch part-${part}`} aria-hidden="true" />{t(`latency.part.${part}`)}</th>
              {runs.map((run) => {
                const timing = run.timings.find((x) => x.part === part);
                return (
                  <td key={run.engine} className="number">
                    {timing ? `${milliseconds(timing.p50)} / ${milliseconds(timing.p95)}` : '–'}
                  </td>
                );
              })}
              <td>{sourcesOfPart(comparison.runs, part).map((source) => <span key={source} className="source">{t(`latency.source.${source}`)}</span>)}</td>
            </tr>
          ))}
          <tr className="rule">
            <th scope="row">{t('latency.total')}</th>
            {runs.map((run) => <td key={run.engine} className="number"><strong>{milliseconds(run.total.p50)} / {milliseconds(run.total.p95)}</strong></td>)}
            <td />
          </tr>
          {repeats === null && (
            <tr data-testid="runs">
              <th scope="row">{t('latency.runs')}</th>
              {runs.map((run) => <td key={run.engine} className="number">{run.repeats}</td>)}
              <td />
            </tr>
          )}
        </tbody>
      </table>
      <ul className="sources dim small">
        {sourcesOf(comparison.runs).map((source) => <li key={source}><span className="source">{t(`latency.source.${source}`)}</span> {t(`latency.sourceLong.${source}`)}</li>)}
      </ul>
    </section>
  );
}
