import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { RunOk } from '../../src/contract/engine.ts';
import { Icon } from '../ui/icons.tsx';

/** Whose numbers a run has: of one that moved to this computer, not the board's. */
export function useRunName(): (run: RunOk) => string {
  const { t } = useTranslation();
  return ({ engine, identity }) => (identity.engine === engine ? t(`engine.${engine}`) : t('panel.movedName', { asked: t(`engine.${engine}`), answered: t(`engine.${identity.engine}`) }));
}

/** Runs whose board was lost: who answered in its place, before any number of theirs is read. */
export function MovedRuns({ runs }: { runs: readonly RunOk[] }): JSX.Element {
  const { t } = useTranslation();
  return (
    <>
      {runs.filter((run) => run.moved).map(({ engine, identity, moved }) => (
        <div key={engine} className="callout warning" role="alert" data-testid={`moved-${engine}`}>
          <Icon name="warning" size={18} />
          <div>
            <strong>{identity.engine === engine ? t('panel.movedBoard') : t('panel.movedCpu', { answered: t(`engine.${identity.engine}`) })}</strong>
            <p>{t('panel.moved', { from: moved!.from, to: moved!.to })}</p>
            <p className="dim" lang="en">{moved!.reason}</p>
          </div>
        </div>
      ))}
    </>
  );
}
