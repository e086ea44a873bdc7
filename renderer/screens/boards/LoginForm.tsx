import { Button, PasswordInput, SegmentedControl, TextInput } from '@mantine/core';
import { useState, type FormEvent, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { Connected, Login } from '../../../src/contract/boards.ts';
import type { Provisioning } from '../../state/provisioning.ts';
import { useApp } from '../../ui/app.ts';
import { Icon } from '../../ui/icons.tsx';
import { Pick } from '../../ui/Pick.tsx';
import { Remember } from './UnlockForm.tsx';

const METHODS = ['password', 'key', 'agent'] as const;
const USER = /^[a-z_][a-z0-9_-]{0,31}$/;

/** What is typed goes to the host and stays nowhere here. */
export function LoginForm({ now: { user, keyFile, busy, address }, login: { tried, fingerprint } }: { now: Provisioning; login: Extract<Connected, { state: 'login' }> }): JSX.Element {
  const { t } = useTranslation();
  const { session: { provisioner } } = useApp();
  const [method, setMethod] = useState<Login['method']>('password');
  const [password, setPassword] = useState('');
  const [remember, setRemember] = useState(false);
  const ready = busy === null && USER.test(user) && (method === 'password' ? password !== '' : method === 'key' ? keyFile !== null : true);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (!ready) return;
    setPassword('');
    const given: Login = method === 'password' ? { method, password, remember } : method === 'key' ? { method, keyFile: keyFile!.id, passphrase: password || null, remember } : { method };
    void provisioner.connect(given, fingerprint);
  };
  return (
    <form className="login" data-testid="login" onSubmit={submit}>
      <p className="wizard-done"><Icon name="check" size={18} />{t('setup.login.right', { address })}</p>
      <p>{t('setup.login.text')}</p>
      {tried.length > 0 && <div className="callout warning" role="status" data-testid="login-refused"><Icon name="warning" size={18} /><p>{t('setup.login.refused', { tried: tried.map((one) => t(`setup.login.${one}`)).join(t('setup.login.and')) })}</p></div>}
      <div className="form-line top">
        <TextInput size="sm" w={180} label={t('setup.login.user')} value={user} spellCheck={false} autoComplete="off" error={USER.test(user) ? undefined : t('setup.login.userFault')} data-testid="login-user" onChange={(event) => provisioner.set({ user: event.currentTarget.value })} />
        <div className="field">
          <span className="field-label">{t('setup.login.method')}</span>
          <SegmentedControl
            size="sm" aria-label={t('setup.login.method')} value={method} data-testid="login-method" data={METHODS.map((value) => ({ value, label: t(`setup.login.${value}`) }))}
            onChange={(value) => { setPassword(''); setMethod(value as Login['method']); }}
          />
        </div>
      </div>
      {method === 'password' && (
        <>
          <PasswordInput size="sm" w={320} autoFocus label={t('setup.login.passwordOf', { user })} description={t('setup.login.passwordHint')} value={password} autoComplete="off" data-testid="login-password" onChange={(event) => setPassword(event.currentTarget.value)} />
          <Remember checked={remember} disabled={busy !== null} onChange={setRemember} />
        </>
      )}
      {method === 'key' && (
        <>
          <Pick label={t('setup.login.keyFile')} hint={t('setup.login.keyHint')} icon="file" file={keyFile} disabled={busy !== null} testId="pick-key" onPick={() => void provisioner.pick('key')} />
          <PasswordInput size="sm" w={320} label={t('setup.login.passphrase')} description={t('setup.login.passphraseHint')} value={password} autoComplete="off" data-testid="login-passphrase" onChange={(event) => setPassword(event.currentTarget.value)} />
          {password !== '' && <Remember checked={remember} disabled={busy !== null} onChange={setRemember} />}
        </>
      )}
      {method === 'agent' && <p className="dim">{t('setup.login.agentHint')}</p>}
      <Button className="start" size="sm" type="submit" disabled={!ready} data-testid="login-go">{t('setup.login.go')}</Button>
    </form>
  );
}
