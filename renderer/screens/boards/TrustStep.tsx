import { Button, Checkbox, TextInput } from '@mantine/core';
import { useState, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { Connected } from '../../../src/contract/boards.ts';
import type { Provisioning } from '../../state/provisioning.ts';
import { useApp } from '../../ui/app.ts';
import { Icon } from '../../ui/icons.tsx';
import { LoginForm } from './LoginForm.tsx';
import { SecureForm } from './SecureForm.tsx';

const SHOW_KEY = 'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub';

/** Which board it is, proven by its host key; then the login; then what makes it somebody's own. */
export function TrustStep({ now, name, onName }: { now: Provisioning; name: string; onName: (name: string) => void }): JSX.Element | null {
  const { t } = useTranslation();
  const { connected, busy, address } = now;
  if (busy === 'connect') return <div className="busy-line" role="status"><progress aria-label={t('setup.trust.connecting', { address })} /><span className="dim">{t('setup.trust.connecting', { address })}</span></div>;
  if (connected === null) return null;
  if (connected.state === 'unknown') return <Unknown now={now} shown={connected} />;
  if (connected.state === 'changed') return <Changed now={now} changed={connected} />;
  if (connected.state === 'login') return <LoginForm key={connected.fingerprint} now={now} login={connected} />;
  return (
    <>
      <div className="verdict agree" role="status" data-testid="trusted">
        <Icon name="check" size={20} />
        <div>
          <strong>{t('setup.trust.trusted', { address })}</strong>
          <p className="dim"><code>{connected.algorithm} {connected.fingerprint}</code></p>
        </div>
      </div>
      <TextInput size="sm" w={320} label={t('setup.trust.name')} description={t('setup.trust.nameHint')} value={name} maxLength={200} data-testid="board-name" onChange={(event) => onName(event.currentTarget.value)} />
      {connected.twin !== null && <div className="callout warning"><Icon name="warning" size={18} /><p>{t('setup.trust.twin', { name: connected.twin })}</p></div>}
      <SecureForm now={now} trusted={connected} />
    </>
  );
}

function Fingerprint({ label, algorithm, fingerprint, testId }: { label: string; algorithm: string; fingerprint: string; testId: string }): JSX.Element {
  return (
    <div className="fingerprint">
      <span className="dim">{label} · {algorithm}</span>
      <code data-testid={testId}>{fingerprint}</code>
    </div>
  );
}

function HowToCompare(): JSX.Element {
  const { t } = useTranslation();
  return (
    <section className="how-to">
      <h4>{t('setup.trust.how')}</h4>
      <ol>
        <li>{t('setup.trust.how1')}</li>
        <li>{t('setup.trust.how2')}<code className="command">{SHOW_KEY}</code></li>
        <li>{t('setup.trust.how3')}</li>
      </ol>
    </section>
  );
}

function Unknown({ now: { address, compared, busy }, shown }: { now: Provisioning; shown: Extract<Connected, { state: 'unknown' }> }): JSX.Element {
  const { t } = useTranslation();
  const { session: { provisioner } } = useApp();
  return (
    <>
      <p>{t('setup.trust.unknown', { address })}</p>
      <Fingerprint label={t('setup.trust.shown')} algorithm={shown.algorithm} fingerprint={shown.fingerprint} testId="fingerprint" />
      <HowToCompare />
      <Checkbox label={t('setup.trust.compared')} checked={compared} disabled={busy !== null} data-testid="compared" onChange={(event) => provisioner.set({ compared: event.currentTarget.checked })} />
    </>
  );
}

/** A full stop: going on is a second, explicit choice. */
function Changed({ now: { address, compared, busy }, changed: { algorithm, fingerprint, pinned } }: { now: Provisioning; changed: Extract<Connected, { state: 'changed' }> }): JSX.Element {
  const { t } = useTranslation();
  const { session: { provisioner } } = useApp();
  const [open, setOpen] = useState(false);
  return (
    <section className="full-stop" role="alert" data-testid="changed-key">
      <header><Icon name="error" size={28} /><h3>{t('setup.changed.title', { address })}</h3></header>
      <p>{t('setup.changed.text')}</p>
      {pinned.map((key) => <Fingerprint key={key.fingerprint} label={t('setup.changed.pinned', { name: key.name })} algorithm={key.algorithm} fingerprint={key.fingerprint} testId="pinned-fingerprint" />)}
      <Fingerprint label={t('setup.changed.shown')} algorithm={algorithm} fingerprint={fingerprint} testId="shown-fingerprint" />
      <ul>
        <li>{t('setup.changed.card')}</li>
        <li>{t('setup.changed.other')}</li>
        <li>{t('setup.changed.attack')}</li>
      </ul>
      <div className="form-line">
        <Button size="sm" data-testid="stop-here" onClick={() => provisioner.leave()}>{t('setup.changed.stop')}</Button>
        {!open && <Button size="sm" variant="default" data-testid="changed-anyway" onClick={() => setOpen(true)}>{t('setup.changed.anyway')}</Button>}
      </div>
      {open && (
        <>
          <HowToCompare />
          <Checkbox autoFocus label={t('setup.changed.compared')} checked={compared} disabled={busy !== null} data-testid="compared" onChange={(event) => provisioner.set({ compared: event.currentTarget.checked })} />
          <Button className="start" size="sm" color="red.8" disabled={!compared || busy !== null} data-testid="trust-changed" onClick={() => void provisioner.connect(null, fingerprint)}>{t('setup.changed.trust')}</Button>
        </>
      )}
    </section>
  );
}
