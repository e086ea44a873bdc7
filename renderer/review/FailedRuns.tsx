import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { RunFailed } from '../../src/contract/engine.ts';
import { useApp, useTextOf } from '../ui/app.ts';
import { Icon } from '../ui/icons.tsx';

/** Engines that gave no answer: what failed, what mends it, and another try. */
export function FailedRuns({ runs }: { runs: readonly RunFailed[] }): JSX.Element {
  const { session } = useApp();
  return <>{runs.map((run) => <Failed key={run.engine} run={run} retry={() => void session.compare()} />)}</>;
}

function Failed({ run, retry }: { run: RunFailed; retry: () => void }): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  return (
    <div className={`callout ${run.code === 'cancelled' ? 'info' : 'error'}`} role={run.code === 'cancelled' ? 'status' : 'alert'} data-testid={`failed-${run.engine}`}>
      <Icon name={run.code === 'cancelled' ? 'stop' : 'error'} size={18} />
      <div className="grow">
        <strong>{t('panel.failed', { engine: t(`engine.${run.engine}`) })}</strong>
        <p>{textOf(`failure.${run.code}`, t('failure.unknown'))}</p>
        <p className="dim" lang="en">{run.message}</p>
      </div>
      <button type="button" className="link" onClick={retry}>{t('common.retry')}</button>
    </div>
  );
}
