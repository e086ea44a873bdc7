import { Button, PasswordInput, SegmentedControl, TextInput } from '@mantine/core';
import { useEffect, useRef, useState, type FormEvent, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { DirectBoard } from '../../../src/contract/boards.ts';
import type { Failure } from '../../state/provisioning.ts';
import { useApp } from '../../ui/app.ts';
import { Icon } from '../../ui/icons.tsx';
import { BoardFailure } from './BoardFailure.tsx';

/** An agent without SSH, chosen explicitly: the token is typed here and stays nowhere. */
export function DirectForm({ onDone }: { onDone: (id: string | null) => void }): JSX.Element {
  const { t } = useTranslation();
  const { session: { keeper } } = useApp();
  const heading = useRef<HTMLHeadingElement>(null);
  const [link, setLink] = useState<'tls' | 'tcp'>('tls');
  const [name, setName] = useState('');
  const [address, setAddress] = useState('');
  const [token, setToken] = useState('');
  const [certificate, setCertificate] = useState('');
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  useEffect(() => heading.current?.focus(), []);
  // As openssl prints it, with colons and capitals, too.
  const sha256 = certificate.replace(/[\s:]/g, '').toLowerCase();
  const board = DirectBoard.safeParse({ name: name.trim() || address.trim(), address, token: token === '' ? null : token, certificateSha256: link === 'tls' ? sha256 : null });
  const faulty = link === 'tls' && certificate !== '' && !/^[0-9a-f]{64}$/.test(sha256);
  const ready = board.success && (link === 'tcp' || sha256 !== '');
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (!ready || busy) return;
    setBusy(true);
    setFailure(null);
    try {
      onDone(await keeper.addDirect(board.data));
    } catch (error) {
      setFailure({ code: (error as Error).name, message: (error as Error).message });
      setBusy(false);
    }
  };
  return (
    <form className="card direct" data-testid="direct" onSubmit={(event) => void submit(event)}>
      <h3 ref={heading} tabIndex={-1} className="card-title wizard-place">{t('direct.title')}</h3>
      <p>{t('direct.text')}</p>
      <div className="field">
        <span className="field-label">{t('direct.link')}</span>
        <SegmentedControl size="sm" aria-label={t('direct.link')} value={link} data-testid="direct-link" data={[{ value: 'tls', label: t('direct.tls') }, { value: 'tcp', label: t('direct.tcp') }]} onChange={(value) => setLink(value as 'tls' | 'tcp')} />
      </div>
      {link === 'tcp' && <div className="callout warning"><Icon name="warning" size={18} /><p>{t('direct.plain')}</p></div>}
      <TextInput size="sm" w={360} required label={t('direct.address')} placeholder={t('direct.addressExample')} value={address} spellCheck={false} data-testid="direct-address" onChange={(event) => setAddress(event.currentTarget.value)} />
      <TextInput size="sm" w={360} label={t('setup.trust.name')} description={t('direct.nameHint')} value={name} maxLength={200} data-testid="direct-name" onChange={(event) => setName(event.currentTarget.value)} />
      {link === 'tls' && <TextInput size="sm" required label={t('direct.certificate')} description={t('direct.certificateHint')} value={certificate} spellCheck={false} error={faulty ? t('direct.certificateFault') : undefined} data-testid="direct-certificate" onChange={(event) => setCertificate(event.currentTarget.value)} />}
      <PasswordInput size="sm" w={360} label={t('direct.token')} description={t('direct.tokenHint')} value={token} autoComplete="off" data-testid="direct-token" onChange={(event) => setToken(event.currentTarget.value)} />
      {failure && <BoardFailure failure={failure} onRetry={null} />}
      <div className="form-line">
        <Button size="sm" type="submit" disabled={!ready || busy} data-testid="direct-go">{t('direct.add')}</Button>
        <Button size="sm" variant="default" onClick={() => onDone(null)}>{t('common.cancel')}</Button>
      </div>
    </form>
  );
}
