import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { Comparison } from '../../src/contract/engine.ts';
import { okRuns } from '../state/selectors.ts';
import { shortHash } from '../ui/format.ts';
import { useRunName } from './MovedRuns.tsx';

/** What made each number: model, file, runner, software. */
export function IdentityList({ comparison }: { comparison: Comparison }): JSX.Element {
  const { t } = useTranslation();
  const nameOf = useRunName();
  return (
    <section aria-label={t('identity.title')}>
      <h3>{t('identity.title')}</h3>
      <table className="grid identity">
        <caption className="sr-only">{t('identity.title')}</caption>
        <thead>
          <tr><th scope="col">{t('identity.engine')}</th><th scope="col">{t('identity.runner')}</th><th scope="col">{t('identity.file')}</th></tr>
        </thead>
        <tbody>
          {okRuns(comparison.runs).map((run) => ({ ...run, name: nameOf(run) })).map(({ engine, name, identity }) => (
            <tr key={engine}>
              <th scope="row">{name}</th>
              <td>{identity.runner}<br /><span className="dim">{identity.model} {identity.modelVersion} · {identity.software}</span></td>
              <td><code title={identity.modelSha256}>{shortHash(identity.modelSha256)}</code>{identity.overlaySha256 && <><br /><span className="dim">{t('identity.overlay')}</span> <code title={identity.overlaySha256}>{shortHash(identity.overlaySha256)}</code></>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
