import { Button, Checkbox, PasswordInput, SegmentedControl } from '@mantine/core';
import { useState, type FormEvent, type JSX, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { Connected, SecureChoices } from '../../../src/contract/boards.ts';
import type { Provisioning } from '../../state/provisioning.ts';
import { useApp } from '../../ui/app.ts';
import { Icon } from '../../ui/icons.tsx';
import { Pick } from '../../ui/Pick.tsx';

const LEAST = 8;

/** What makes a stock image somebody's own, each by choice. New passwords are typed here and stay nowhere. */
export function SecureForm({ now: { busy, secured, user, publicKey }, trusted: { publicPassword, twin } }: { now: Provisioning; trusted: Extract<Connected, { state: 'trusted' }> }): JSX.Element {
  const { t } = useTranslation();
  const { session: { provisioner } } = useApp();
  const [on, setOn] = useState({ key: publicPassword, hostKeys: publicPassword || twin !== null, password: publicPassword, rootPassword: publicPassword, services: publicPassword });
  const [whose, setWhose] = useState<'own' | 'file'>('own');
  const [password, setPassword] = useState('');
  const [rootPassword, setRootPassword] = useState('');
  const possible = busy === null && Object.values(on).includes(true) && (!on.password || password.length >= LEAST) && (!on.rootPassword || rootPassword.length >= LEAST) && (!on.key || whose === 'own' || publicKey !== null);
  const toggle = (which: keyof typeof on): void => setOn((before) => ({ ...before, [which]: !before[which] }));
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (!possible) return;
    const choices: SecureChoices = {
      key: !on.key ? null : whose === 'own' ? 'own' : { file: publicKey!.id }, hostKeys: on.hostKeys, password: on.password ? password : null, rootPassword: on.rootPassword ? rootPassword : null, services: on.services,
    };
    setPassword('');
    setRootPassword('');
    setOn({ key: false, hostKeys: false, password: false, rootPassword: false, services: false });
    void provisioner.secure(choices);
  };
  const field = (which: 'password' | 'rootPassword', value: string, set: (value: string) => void): ReactNode => on[which] && (
    <PasswordInput
      size="xs" w={280} aria-label={t(`setup.secure.${which}.field`, { user })} placeholder={t(`setup.secure.${which}.field`, { user })} value={value} maxLength={200} autoComplete="new-password" data-testid={`secure-${which}-field`}
      error={value !== '' && value.length < LEAST ? t('setup.secure.short', { count: LEAST }) : undefined} onChange={(event) => set(event.currentTarget.value)}
    />
  );
  return (
    <form className="secure" data-testid="secure" onSubmit={submit}>
      <h4>{t('setup.secure.title')}</h4>
      {publicPassword ? <div className="callout warning" data-testid="public-password"><Icon name="warning" size={18} /><p>{t('setup.secure.public', { user })}</p></div> : <p className="dim">{t('setup.secure.text')}</p>}
      {secured && (
        <div className="verdict agree" role="status" data-testid="secured">
          <Icon name="check" size={20} />
          <div>
            <strong>{t('setup.secure.done')}</strong>
            <ul lang="en">{secured.done.map((what) => <li key={what}>{what}</li>)}</ul>
            {secured.fingerprint !== null && <p>{t('setup.secure.newKey')} <code>{secured.fingerprint}</code></p>}
          </div>
        </div>
      )}
      <div className="secure-choices">
        <Choice which="key" checked={on.key} disabled={busy !== null} onToggle={() => toggle('key')}>
          {on.key && <SegmentedControl size="xs" aria-label={t('setup.secure.whose')} value={whose} data={[{ value: 'own', label: t('setup.secure.own') }, { value: 'file', label: t('setup.secure.file') }]} onChange={(value) => setWhose(value as 'own' | 'file')} />}
          {on.key && whose === 'file' && <Pick label={t('setup.secure.publicKey')} icon="file" file={publicKey} disabled={busy !== null} testId="pick-publicKey" onPick={() => void provisioner.pick('publicKey')} />}
        </Choice>
        <Choice which="hostKeys" checked={on.hostKeys} disabled={busy !== null} onToggle={() => toggle('hostKeys')} />
        <Choice which="password" checked={on.password} disabled={busy !== null} onToggle={() => toggle('password')}>{field('password', password, setPassword)}</Choice>
        <Choice which="rootPassword" checked={on.rootPassword} disabled={busy !== null} onToggle={() => toggle('rootPassword')}>{field('rootPassword', rootPassword, setRootPassword)}</Choice>
        <Choice which="services" checked={on.services} disabled={busy !== null} onToggle={() => toggle('services')} />
      </div>
      <div className="form-line">
        <Button size="sm" variant={publicPassword ? 'filled' : 'default'} type="submit" disabled={!possible} data-testid="secure-go">{t(busy === 'secure' ? 'setup.secure.busy' : 'setup.secure.go')}</Button>
        <span className="dim small">{t('setup.secure.skip')}</span>
      </div>
    </form>
  );
}

function Choice({ which, checked, disabled, onToggle, children }: { which: 'key' | 'hostKeys' | 'password' | 'rootPassword' | 'services'; checked: boolean; disabled: boolean; onToggle: () => void; children?: ReactNode }): JSX.Element {
  const { t } = useTranslation();
  return (
    <div className="secure-choice">
      <Checkbox size="sm" label={t(`setup.secure.${which}.title`)} description={t(`setup.secure.${which}.text`)} checked={checked} disabled={disabled} data-testid={`secure-${which}`} onChange={onToggle} />
      {children && <div className="secure-more">{children}</div>}
    </div>
  );
}
