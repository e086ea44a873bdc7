/** Export without identity: what goes and what stays, then how far it is, then what was written, held back and why. */
import { Button, Checkbox, SegmentedControl } from '@mantine/core';
import { useEffect, useRef, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { AnonymiseReport, NotWritten } from '../../src/contract/anonymise.ts';
import { SCOPES, type Anonymising, type Scope } from '../state/anonymiser.ts';
import { useApp, useAppState, useTextOf } from '../ui/app.ts';
import { Icon } from '../ui/icons.tsx';

export function Anonymise(): JSX.Element | null {
  const now = useAppState((s) => s.anonymising);
  return now ? <Open now={now} /> : null;
}

function Open({ now }: { now: Anonymising }): JSX.Element {
  const { t } = useTranslation();
  const { session: { anonymiser } } = useApp();
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => ref.current!.showModal(), []);
  return (
    <dialog ref={ref} className="confirm export anonymise" aria-labelledby="anonymise-title" data-testid="anonymise" onClose={() => anonymiser.leave()}>
      <h2 id="anonymise-title">{t('anonymise.title')}</h2>
      {now.done !== null ? <Progress now={now} done={now.done} /> : now.report ? <Report report={now.report} /> : <Choices now={now} />}
    </dialog>
  );
}

function Choices({ now: { ids, scope, choices, failure } }: { now: Anonymising }): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  const { session: { anonymiser } } = useApp();
  const choice = (name: keyof typeof choices): JSX.Element => (
    <Checkbox size="xs" checked={choices[name]} onChange={(event) => anonymiser.set({ choices: { ...choices, [name]: event.currentTarget.checked } })} label={t(`anonymise.${name}`)} description={t(`anonymise.${name}Note`)} data-testid={`anonymise-${name}`} />
  );
  return (
    <>
      <SegmentedControl size="xs" aria-label={t('anonymise.scope')} value={scope} onChange={(value) => anonymiser.set({ scope: value as Scope })} data={SCOPES.map((value) => ({ value, label: t(`anonymise.of.${value}`, { count: ids[value].length }) }))} />
      <p className="dim">{t('anonymise.what')}</p>
      {choice('keepDates')}
      {choice('keepPatient')}
      {choice('includeHeld')}
      <p className="dim">{t('anonymise.limits')}</p>
      {failure && <p className="field-error" role="alert">{textOf(`anonymise.failure.${failure.code}`, failure.message)}</p>}
      <div className="confirm-buttons">
        <Button size="xs" variant="default" onClick={() => anonymiser.leave()}>{t('common.cancel')}</Button>
        <Button size="xs" onClick={() => void anonymiser.run()} data-testid="anonymise-run">{t('anonymise.run')}</Button>
      </div>
    </>
  );
}

function Progress({ now: { ids, scope, cancelling }, done }: { now: Anonymising; done: number }): JSX.Element {
  const { t } = useTranslation();
  const { session: { anonymiser } } = useApp();
  const total = ids[scope].length;
  return (
    <>
      <p role="status">{cancelling ? t('anonymise.stopping') : t('anonymise.progress', { done, total })}</p>
      <progress aria-label={t('anonymise.title')} value={done} max={total} />
      <div className="confirm-buttons">
        <Button size="xs" variant="default" autoFocus disabled={cancelling} onClick={() => anonymiser.cancel()} data-testid="anonymise-cancel">{t('anonymise.stop')}</Button>
      </div>
    </>
  );
}

function Report({ report: { folder, written, held, failed, cancelled } }: { report: AnonymiseReport }): JSX.Element {
  const { t } = useTranslation();
  const { session: { anonymiser } } = useApp();
  const whole = held.length + failed.length === 0 && !cancelled;
  return (
    <>
      <p className={whole ? 'outcome' : 'outcome warn'} role="status" data-testid="anonymise-outcome"><Icon name={whole ? 'check' : 'warning'} />{t('anonymise.written', { count: written, folder })}{cancelled && ` ${t('anonymise.cancelled')}`}</p>
      <Reasons title={t('anonymise.held', { count: held.length })} all={held} />
      <Reasons title={t('anonymise.failed', { count: failed.length })} all={failed} />
      {held.length > 0 && <p className="dim">{t('anonymise.heldMend')}</p>}
      <div className="confirm-buttons">
        <Button size="xs" variant="default" onClick={() => anonymiser.again()}>{t('anonymise.again')}</Button>
        <Button size="xs" autoFocus onClick={() => anonymiser.leave()} data-testid="anonymise-close">{t('anonymise.close')}</Button>
      </div>
    </>
  );
}

function Reasons({ title, all }: { title: string; all: readonly NotWritten[] }): JSX.Element | null {
  const textOf = useTextOf();
  if (all.length === 0) return null;
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      <ul className="reasons" tabIndex={0}>
        {all.map(({ fileName, code, message }, i) => (
          <li key={i}><span>{fileName}</span><span className="dim">{textOf(`anonymise.reason.${code}`, message)}</span></li>
        ))}
      </ul>
    </section>
  );
}
