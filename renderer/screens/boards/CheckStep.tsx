import { Button } from '@mantine/core';
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { Provisioning } from '../../state/provisioning.ts';
import { useApp } from '../../ui/app.ts';
import { Icon } from '../../ui/icons.tsx';
import { DoctorFindings } from './DoctorFindings.tsx';

export function CheckStep({ now: { report, busy } }: { now: Provisioning }): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  return (
    <>
      <div className="form-line">
        <p className="grow">{t('setup.check.text')}</p>
        <Button size="xs" variant="default" disabled={busy !== null} data-testid="check-again" onClick={() => void session.provisioner.check()}>{t('doctor.again')}</Button>
        <Button size="xs" variant="default" disabled={report === null} leftSection={<Icon name="export" />} data-testid="export-doctor" onClick={() => report && void session.exportDoctor(report, t('doctor.exported'))}>{t('doctor.export')}</Button>
      </div>
      {busy === 'check' && <div className="busy-line" role="status"><progress aria-label={t('doctor.looking')} /><span className="dim">{t('doctor.looking')}</span></div>}
      {report && <DoctorFindings report={report} />}
    </>
  );
}
