import { Button, TextInput } from '@mantine/core';
import type { FormEvent, JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { Found } from '../../../src/contract/boards.ts';
import type { Provisioning } from '../../state/provisioning.ts';
import { useApp } from '../../ui/app.ts';
import { Icon, type IconName } from '../../ui/icons.tsx';

const SURE_ICONS: Record<Found['sure'], IconName> = { certain: 'check', likely: 'boards', possible: 'help' };

export function FindStep({ now: { where, found, looked, address, busy, failure } }: { now: Provisioning }): JSX.Element {
  const { t } = useTranslation();
  const { session: { provisioner } } = useApp();
  const finding = busy === 'find';
  const search = (event: FormEvent): void => {
    event.preventDefault();
    if (where.trim() !== '') void provisioner.find(where.trim());
  };
  return (
    <>
      <p>{t('setup.find.text')}</p>
      <form className="form-line" onSubmit={search}>
        <Button size="sm" disabled={busy !== null} leftSection={<Icon name="zoom" />} data-testid="find-usual" onClick={() => void provisioner.find(null)}>{t('setup.find.usual')}</Button>
        <TextInput
          className="grow" size="sm" label={t('setup.find.where')} placeholder={t('setup.find.example')} value={where} disabled={finding} spellCheck={false} data-testid="find-where"
          onChange={(event) => provisioner.set({ where: event.currentTarget.value })}
        />
        <Button size="sm" variant="default" type="submit" disabled={busy !== null || where.trim() === ''} data-testid="find-there">{t('setup.find.there')}</Button>
      </form>
      <p className="dim small">{t('setup.find.usualHint')}</p>
      {finding && (
        <div className="busy-line" role="status">
          <progress aria-label={t('setup.find.looking')} {...(looked ? { value: looked.done, max: looked.total } : {})} />
          <span className="number dim">{looked ? t('setup.find.looked', { done: looked.done, total: looked.total }) : t('setup.find.looking')}</span>
        </div>
      )}
      {found !== null && found.length > 0 && (
        <fieldset className="choices" data-testid="found">
          <legend>{t('setup.find.which')}</legend>
          {found.map((one) => (
            <label key={one.address} className="choice" data-testid="found-board">
              <input type="radio" name="found" value={one.address} checked={one.address === address} onChange={() => provisioner.set({ address: one.address })} />
              <span className="grow">
                <code className="choice-name">{one.address}</code>
                {one.evidence.map((clause) => <span key={clause} className="dim small choice-detail" lang="en">{clause}</span>)}
              </span>
              <span className={`sure sure-${one.sure}`}><Icon name={SURE_ICONS[one.sure]} size={14} />{t(`setup.find.sure.${one.sure}`)}</span>
            </label>
          ))}
        </fieldset>
      )}
      {found?.length === 0 && !finding && failure === null && <div className="callout warning" role="status" data-testid="nothing-found"><Icon name="warning" size={18} /><p>{t('setup.find.nothing')}</p></div>}
      {found !== null && found.length > 0 && <p className="dim small">{t('setup.find.proves')}</p>}
    </>
  );
}
