import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { ClassificationComparison, ClassificationRun, EngineId } from '../../src/contract/engine.ts';
import type { ClassifierFields } from '../../src/contract/model.ts';
import { useLocalText } from '../ui/app.ts';
import { probability, signed } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { FailedRuns } from './FailedRuns.tsx';
import { useRunName } from './MovedRuns.tsx';
import { columnsOf, decisionOf, deltaOf, referenceOf } from './verdict.ts';

/** Classes as rows, engines as columns; the threshold is a mark on the bars of its class. */
export function Probabilities({ fields, comparison, engines }: { fields: ClassifierFields; comparison: ClassificationComparison; engines: readonly EngineId[] }): JSX.Element {
  const { t } = useTranslation();
  const local = useLocalText();
  const nameOf = useRunName();
  const { labels, threshold } = fields;
  const columns = columnsOf(engines, comparison.runs);
  const reference = referenceOf(comparison.runs);
  const marked = local(labels[comparison.threshold.classIndex]!.text);
  const failed = columns.flatMap(({ run }) => (run?.state === 'failed' ? [run] : []));
  const ok = (run: { state: string } | null): run is ClassificationRun => run?.state === 'ok';
  return (
    <section aria-label={t('panel.probabilities')}>
      <table className="grid" data-testid="probabilities">
        <caption className="sr-only">{t('panel.probabilities')}</caption>
        <thead>
          <tr>
            <th scope="col">{t('panel.class')}</th>
            {columns.map(({ engine, run }) => <th key={engine} scope="col">{ok(run) ? nameOf(run) : t(`engine.${engine}`)}</th>)}
          </tr>
        </thead>
        <tbody>
          {labels.map((label, index) => (
            <tr key={label.name}>
              <th scope="row">{local(label.text)}</th>
              {columns.map(({ engine, run }) => (
                <td key={engine}>
                  {ok(run)
                    ? <Bar value={run.probabilities[index] ?? 0} mark={index === comparison.threshold.classIndex ? comparison.threshold.value : null} />
                    : <span className="dim">{t('panel.noAnswer')}</span>}
                </td>
              ))}
            </tr>
          ))}
          <tr className="rule">
            <th scope="row">{t('panel.decision')}</th>
            {columns.map(({ engine, run }) => {
              if (!ok(run)) return <td key={engine} className="dim">–</td>;
              const decision = decisionOf(run, comparison.threshold, labels.length);
              const flipped = comparison.flips.includes(engine);
              return (
                <td key={engine} className={flipped ? 'flip' : ''} data-testid={`decision-${engine}`}>
                  <strong>{decision.classIndex === null ? t('panel.below') : local(labels[decision.classIndex]!.text)}</strong>
                  {flipped && <span className="flip-mark"><Icon name="flip" size={14} />{t('panel.flip')}</span>}
                </td>
              );
            })}
          </tr>
          <tr>
            <th scope="row">{t('panel.delta')}</th>
            {columns.map(({ engine, run }) => (
              <td key={engine} className="number">
                {!ok(run) || !reference ? '–' : run === reference ? <span className="dim">{t('panel.reference')}</span> : signed(deltaOf(run, reference, comparison.threshold.classIndex))}
              </td>
            ))}
          </tr>
        </tbody>
      </table>
      <p className="dim small">{t('panel.thresholdNote', { value: comparison.threshold.value.toFixed(3), label: marked, method: threshold.method })}</p>
      <FailedRuns runs={failed} />
    </section>
  );
}

function Bar({ value, mark }: { value: number; mark: number | null }): JSX.Element {
  return (
    <span className="bar-cell">
      <span className="bar" aria-hidden="true">
        <span className="bar-fill" style={{ width: `${value * 100}%` }} />
        {mark !== null && <span className="bar-mark" style={{ left: `${mark * 100}%` }} />}
      </span>
      <span className="number">{probability(value)}</span>
    </span>
  );
}
