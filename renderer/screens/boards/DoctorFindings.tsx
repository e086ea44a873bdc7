import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { DoctorReport, Finding, Grade } from '../../../src/contract/boards.ts';
import { byGrade, GRADES } from '../../state/provisioning.ts';
import { useTextOf } from '../../ui/app.ts';
import { Icon, type IconName } from '../../ui/icons.tsx';

const GRADE_ICONS: Record<Grade, IconName> = { red: 'error', amber: 'warning', green: 'check' };

export function DoctorFindings({ report: { findings, runs } }: { report: DoctorReport }): JSX.Element {
  const { t } = useTranslation();
  return (
    <div className="doctor" data-testid="doctor">
      <ul className="grade-counts" aria-label={t('doctor.summary')}>
        {GRADES.map((grade) => <li key={grade}><GradeMark grade={grade} /><strong className="number">{findings.filter((finding) => finding.grade === grade).length}</strong></li>)}
      </ul>
      <Findings title={t('doctor.findings')} findings={byGrade(findings)} />
      <Findings title={t('doctor.runs')} findings={byGrade(runs)} can />
    </div>
  );
}

/** `can`: of what the board can run, where red means that it cannot. */
export function Findings({ title, findings, can = false }: { title: string; findings: readonly Finding[]; can?: boolean }): JSX.Element {
  const textOf = useTextOf();
  return (
    <section>
      <h4>{title}</h4>
      <ul className="findings">
        {findings.map(({ id, grade, what, mend }) => (
          <li key={id} data-testid="finding" data-id={id} data-grade={grade}>
            <GradeMark grade={grade} can={can} />
            <strong>{textOf(`finding.${id}`, id)}</strong>
            <span lang="en">{what}{mend !== '' && <span className="dim finding-mend">{mend}</span>}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function GradeMark({ grade, can = false }: { grade: Grade; can?: boolean }): JSX.Element {
  const { t } = useTranslation();
  return <span className={`grade grade-${grade}`}><Icon name={GRADE_ICONS[grade]} size={15} />{can ? t(`doctor.can.${grade}`) : t(`doctor.grade.${grade}`)}</span>;
}
