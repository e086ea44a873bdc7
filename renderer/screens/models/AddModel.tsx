import { Button } from '@mantine/core';
import { useEffect, useRef, useState, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { ADD_STEPS, type Adding, type AddFailure } from '../../state/adding.ts';
import { useApp, useTextOf } from '../../ui/app.ts';
import { Confirm } from '../../ui/Confirm.tsx';
import { Icon } from '../../ui/icons.tsx';
import { WizardFrame } from '../../ui/WizardFrame.tsx';
import { DeployStep } from './DeployStep.tsx';
import { DescribeStep } from './DescribeStep.tsx';
import { FileStep } from './FileStep.tsx';
import { MakeStep } from './MakeStep.tsx';
import { ReportTab } from './Report.tsx';
import { SamplesStep } from './SamplesStep.tsx';

/** The wizard: a step at a time, back as long as nothing is made, Esc asks before anything is lost. */
export function AddModel({ adding }: { adding: Adding }): JSX.Element {
  const { t } = useTranslation();
  const { session: { adder } } = useApp();
  const [asking, setAsking] = useState(false);
  const { step } = adding;
  const leave = (): void => (adder.dirty ? setAsking(true) : adder.leave());
  return (
    <WizardFrame title={t('addModel.title')} steps={ADD_STEPS} step={step} labelOf={(name) => t(`addModel.step.${name}`)} asked={asking} onLeave={leave}>
      <div className="wizard-body">
        {step === 'file' && <FileStep adding={adding} />}
        {step === 'describe' && <DescribeStep adding={adding} />}
        {step === 'samples' && <SamplesStep adding={adding} />}
        {step === 'make' && <MakeStep adding={adding} />}
        {step === 'report' && adding.added !== null && (
          <>
            <p className="wizard-done" role="status"><Icon name="check" size={18} />{t('addModel.report.done', { name: adding.added })}</p>
            <ReportTab id={adding.added} />
          </>
        )}
        {step === 'deploy' && <DeployStep adding={adding} />}
        {adding.failure && <Failure failure={adding.failure} />}
      </div>
      <Buttons adding={adding} />
      {asking && (
        <Confirm
          title={t('addModel.leave.title')} text={t(adding.busy === 'make' || adding.busy === 'cancel' ? 'addModel.leave.running' : 'addModel.leave.text')}
          yes={t('addModel.leave.yes')} no={t('addModel.leave.no')} onYes={() => adder.leave()} onNo={() => setAsking(false)}
        />
      )}
    </WizardFrame>
  );
}

function Failure({ failure: { code, message, node } }: { failure: AddFailure }): JSX.Element {
  const { t, i18n } = useTranslation();
  const textOf = useTextOf();
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => ref.current?.focus(), []);
  if (code === 'cancelled') return <div ref={ref} tabIndex={-1} className="callout info" role="status" data-testid="wizard-cancelled"><Icon name="info" size={18} /><p>{t('addModel.make.cancelled')}</p></div>;
  return (
    <div ref={ref} tabIndex={-1} className="callout error" role="alert" data-testid="wizard-failure">
      <Icon name="error" size={18} />
      <div>
        <strong>{node === undefined ? t('addModel.failed') : t('addModel.node', { node })}</strong>
        <p lang={i18n.exists(`addModel.failure.${code}`) ? undefined : 'en'}>{textOf(`addModel.failure.${code}`, message)}</p>
        {message.includes('metadata.json') && <p className="dim">{t('addModel.mend')}</p>}
      </div>
    </div>
  );
}

function Buttons({ adding: { step, busy, model, samples, added, deployed } }: { adding: Adding }): JSX.Element {
  const { t } = useTranslation();
  const { session: { adder } } = useApp();
  const possible = (busy === null || busy === 'pick') && (step === 'file' ? model !== null : step === 'samples' ? samples !== null : true);
  return (
    <footer className="wizard-buttons">
      {step !== 'file' && (added === null || step === 'deploy') && <Button size="sm" variant="default" disabled={busy !== null} data-testid="wizard-back" onClick={() => adder.back()}>{t('wizard.back')}</Button>}
      <span className="grow" />
      {step === 'make' && busy === 'make' && <Button size="sm" variant="default" data-testid="wizard-cancel" leftSection={<Icon name="stop" />} onClick={() => adder.cancel()}>{t('addModel.make.stop')}</Button>}
      {step === 'make' && busy === 'cancel' && <Button size="sm" variant="default" disabled>{t('addModel.make.stopping')}</Button>}
      {step === 'make' && busy === null && added === null && <Button size="sm" data-testid="wizard-again" onClick={() => void adder.make()}>{t('addModel.make.again')}</Button>}
      {step === 'deploy' && <Button size="sm" variant={deployed ? 'filled' : 'default'} disabled={busy !== null} data-testid="wizard-finish" onClick={() => adder.leave()}>{t('addModel.deploy.finish')}</Button>}
      {step !== 'make' && step !== 'deploy' && (
        <Button size="sm" disabled={!possible} data-testid="wizard-next" onClick={() => void adder.next()}>
          {busy === 'inspect' ? t('addModel.looking') : t(step === 'samples' ? 'addModel.start' : 'wizard.next')}
        </Button>
      )}
    </footer>
  );
}
