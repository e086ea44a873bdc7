import { Button } from '@mantine/core';
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { PlanStep as Step } from '../../../src/contract/boards.ts';
import type { Provisioning } from '../../state/provisioning.ts';
import { useApp, useTextOf } from '../../ui/app.ts';
import { Icon } from '../../ui/icons.tsx';
import { Pick } from '../../ui/Pick.tsx';
import { Findings } from './DoctorFindings.tsx';

/** What would be done, by whom and why, before anything is. */
export function PlanStep({ now: { plan, overlay, busy } }: { now: Provisioning }): JSX.Element {
  const { t } = useTranslation();
  const { session: { provisioner } } = useApp();
  return (
    <>
      <p>{t('setup.plan.text')}</p>
      <Pick label={t('setup.plan.overlay')} hint={overlay ? '' : t('setup.plan.psOnly')} icon="boards" file={overlay} quiet disabled={busy !== null} testId="pick-overlay" onPick={() => void provisioner.pick('overlay')}>
        {overlay && <Button size="xs" variant="subtle" disabled={busy !== null} data-testid="without-overlay" onClick={() => void provisioner.withoutOverlay()}>{t('setup.plan.without')}</Button>}
      </Pick>
      {busy === 'plan' && <div className="busy-line" role="status"><progress aria-label={t('setup.plan.making')} /><span className="dim">{t('setup.plan.making')}</span></div>}
      {plan && (
        <>
          {plan.obstacles.length > 0 && (
            <div className="obstacles" data-testid="obstacles">
              <div className="callout error" role="alert"><Icon name="error" size={18} /><p>{t('setup.plan.obstacles')}</p></div>
              <Findings title={t('setup.plan.obstaclesTitle')} findings={plan.obstacles} />
            </div>
          )}
          <dl className="facts">
            <dt>{t('setup.plan.version')}</dt><dd><code>{plan.version}</code></dd>
            <dt>{t('setup.plan.installed')}</dt><dd>{plan.installed ? <code>{plan.installed}</code> : t('setup.plan.none')}</dd>
            {plan.previous !== '' && <><dt>{t('setup.plan.previous')}</dt><dd><code>{plan.previous}</code></dd></>}
          </dl>
          <div className="plan-scroll" role="region" aria-label={t('setup.plan.steps')} tabIndex={0}>
            <table className="grid plan-table" data-testid="plan">
              <thead><tr><th scope="col" className="number">{t('setup.plan.order')}</th><th scope="col">{t('setup.plan.step')}</th><th scope="col">{t('setup.plan.as')}</th><th scope="col">{t('setup.plan.why')}</th></tr></thead>
              <tbody>{plan.steps.map((step, index) => <Row key={step.id} step={step} number={index + 1} />)}</tbody>
            </table>
          </div>
        </>
      )}
    </>
  );
}

function Row({ step: { id, title, as, why }, number }: { step: Step; number: number }): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  return (
    <tr data-testid="plan-step" data-id={id}>
      <td className="number dim">{number}</td>
      <th scope="row"><strong>{textOf(`installStep.${id}`, id)}</strong><span className="dim small plan-detail" lang="en">{title}</span></th>
      <td><span className={`who who-${as}`}>{t(`setup.plan.who.${as}`)}</span></td>
      <td lang="en">{why}</td>
    </tr>
  );
}
