import { Button } from '@mantine/core';
import { useEffect, useState, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { mayGoOn, SETUP_STEPS, STOPPABLE, type Provisioning } from '../../state/provisioning.ts';
import { useApp } from '../../ui/app.ts';
import { Confirm } from '../../ui/Confirm.tsx';
import { Icon } from '../../ui/icons.tsx';
import { WizardFrame } from '../../ui/WizardFrame.tsx';
import { BoardFailure } from './BoardFailure.tsx';
import { CheckStep } from './CheckStep.tsx';
import { FindStep } from './FindStep.tsx';
import { InstallStep } from './InstallStep.tsx';
import { PlanStep } from './PlanStep.tsx';
import { ReadyStep } from './ReadyStep.tsx';
import { TestStep } from './TestStep.tsx';
import { TrustStep } from './TrustStep.tsx';
import { UnlockForm } from './UnlockForm.tsx';

/** The wizard. Leaving loses nothing that is done: where a board stands, the list knows, and goes on from there. */
export function SetUpBoard({ now }: { now: Provisioning }): JSX.Element {
  const { t } = useTranslation();
  const { session: { provisioner } } = useApp();
  const [asking, setAsking] = useState(false);
  const [name, setName] = useState(now.board?.name ?? '');
  const { step, busy, board, failure, locked } = now;
  useEffect(() => setName(board?.name ?? ''), [board?.name]);
  const leave = (): void => (provisioner.dirty ? setAsking(true) : provisioner.leave());
  const trouble = (
    <>
      {failure && <BoardFailure failure={failure} onRetry={busy === null && locked === null ? () => void provisioner.retry() : null} />}
      {locked && <UnlockForm locked={locked} user={now.user} busy={busy !== null} onUnlock={(password, remember) => void provisioner.unlock(password, remember)} />}
    </>
  );
  return (
    <WizardFrame title={board ? t('setup.titleOf', { name: board.name }) : t('setup.title')} steps={SETUP_STEPS} step={step} phase={busy ?? now.connected?.state ?? ''} labelOf={(one) => t(`setup.step.${one}`)} asked={asking} onLeave={leave}>
      <div className="wizard-body">
        {step === 'find' && <FindStep now={now} />}
        {step === 'trust' && <TrustStep now={now} name={name} onName={setName} />}
        {step === 'check' && <CheckStep now={now} />}
        {step === 'plan' && <PlanStep now={now} />}
        {/* Above the steps, which fill a small window. */}
        {step === 'install' && <>{trouble}<InstallStep now={now} /></>}
        {step === 'test' && <TestStep now={now} />}
        {step === 'ready' && <ReadyStep now={now} />}
        {step !== 'install' && trouble}
      </div>
      <Buttons now={now} name={name} />
      {asking && (
        <Confirm
          title={t('setup.leave.title')} text={t('setup.leave.text')} yes={t('setup.leave.yes')} no={t('setup.leave.no')}
          onYes={() => { setAsking(false); provisioner.leave(); }} onNo={() => setAsking(false)}
        />
      )}
    </WizardFrame>
  );
}

function Buttons({ now, name }: { now: Provisioning; name: string }): JSX.Element {
  const { t } = useTranslation();
  const { session: { provisioner } } = useApp();
  const { step, busy, connected, installed } = now;
  const next = step === 'trust' && connected?.state === 'unknown' ? 'setup.trust.go' : step === 'plan' ? 'setup.plan.go' : 'wizard.next';
  const forward = step !== 'install' && step !== 'ready' && !(step === 'trust' && (connected === null || connected.state === 'login' || connected.state === 'changed'));
  return (
    <footer className="wizard-buttons">
      {step !== 'find' && installed === null && <Button size="sm" variant="default" disabled={busy !== null} data-testid="wizard-back" onClick={() => provisioner.back()}>{t('wizard.back')}</Button>}
      <span className="grow" />
      {STOPPABLE.has(busy) && <Button size="sm" variant="default" leftSection={<Icon name="stop" />} data-testid="wizard-cancel" onClick={() => provisioner.cancel()}>{t('common.cancel')}</Button>}
      {busy === 'cancel' && <Button size="sm" variant="default" disabled>{t('setup.install.stopping')}</Button>}
      {step === 'ready' && <Button size="sm" variant="default" data-testid="wizard-finish" onClick={() => provisioner.leave()}>{t('setup.ready.finish')}</Button>}
      {forward && <Button size="sm" disabled={!mayGoOn(now)} data-testid="wizard-next" onClick={() => void provisioner.next(name)}>{t(next)}</Button>}
    </footer>
  );
}
