import { Button, Checkbox, PasswordInput } from '@mantine/core';
import { useEffect, useState, type FormEvent, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { Locked } from '../../state/provisioning.ts';
import { useApp, useAppState } from '../../ui/app.ts';
import { Icon } from '../../ui/icons.tsx';

/** Asks for the login's password where something needs root; it goes to the host and stays nowhere here. */
export function UnlockForm({ locked, user, busy, onUnlock }: { locked: Locked; user: string; busy: boolean; onUnlock: (password: string, remember: boolean) => void }): JSX.Element {
  const { t } = useTranslation();
  const [password, setPassword] = useState('');
  const [remember, setRemember] = useState(false);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setPassword('');
    onUnlock(password, remember);
  };
  return (
    <form className="unlock" data-testid="unlock" data-locked={locked} onSubmit={submit}>
      <div className="callout warning"><Icon name="warning" size={18} /><p>{t(locked === 'refused' ? 'unlock.refused' : 'unlock.needed', { user })}</p></div>
      <div className="form-line">
        <PasswordInput size="sm" w={280} autoFocus label={t('unlock.password', { user })} value={password} autoComplete="off" disabled={busy} data-testid="unlock-password" onChange={(event) => setPassword(event.currentTarget.value)} />
        <Button size="sm" type="submit" disabled={busy || password === ''} data-testid="unlock-go">{t('unlock.go')}</Button>
      </div>
      <Remember checked={remember} disabled={busy} onChange={setRemember} />
    </form>
  );
}

/** Only where the OS keychain keeps secrets; where not, it says how long they last. */
export function Remember({ checked, disabled, onChange }: { checked: boolean; disabled: boolean; onChange: (checked: boolean) => void }): JSX.Element {
  const { t } = useTranslation();
  const { session: { keeper } } = useApp();
  const keychain = useAppState((s) => s.keychain);
  useEffect(() => void keeper.askKeychain(), [keeper]);
  if (keychain !== true) return <p className="dim small" data-testid="no-keychain">{t('unlock.noKeychain')}</p>;
  return <Checkbox size="xs" label={t('unlock.remember')} checked={checked} disabled={disabled} data-testid="remember" onChange={(event) => onChange(event.currentTarget.checked)} />;
}
