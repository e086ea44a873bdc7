import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { Provisioning } from '../../state/provisioning.ts';
import { useTextOf } from '../../ui/app.ts';
import { Icon } from '../../ui/icons.tsx';

/** What the new version answered before it was switched to. */
export function TestStep({ now: { installed, overlay } }: { now: Provisioning }): JSX.Element | null {
  const { t } = useTranslation();
  const textOf = useTextOf();
  if (!installed) return null;
  return (
    <>
      <p>{t('setup.test.text')}</p>
      {installed.selfTests.map(({ backend, models, vectors }) => (
        <div key={backend} className="verdict agree" data-testid="self-test" data-backend={backend}>
          <Icon name="check" size={20} />
          <div>
            <strong>{t('setup.test.equal', { count: vectors })}</strong>
            <p>{textOf(`boards.backends.${backend}`, backend)}</p>
            <p className="dim">{t('setup.test.models', { models: models.join(', ') })}</p>
          </div>
        </div>
      ))}
      {installed.selfTests.length === 0 && <div className="callout warning"><Icon name="warning" size={18} /><p>{t('setup.test.none')}</p></div>}
      {overlay === null && <p className="dim">{t('setup.test.psOnly')}</p>}
      <dl className="facts"><dt>{t('setup.plan.installed')}</dt><dd><code>{installed.version}</code></dd></dl>
    </>
  );
}
