import { Button } from '@mantine/core';
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { PickedFile } from '../../../src/contract/ipc.ts';
import type { Adding } from '../../state/adding.ts';
import { useApp } from '../../ui/app.ts';
import { Icon, type IconName } from '../../ui/icons.tsx';

export function FileStep({ adding: { model, metadata, busy } }: { adding: Adding }): JSX.Element {
  const { t } = useTranslation();
  const { session: { adder } } = useApp();
  return (
    <>
      <p>{t('addModel.file.text')}</p>
      <Pick label={t('addModel.file.onnx')} icon="models" file={model} disabled={busy !== null && busy !== 'pick'} testId="pick-onnx" onPick={() => void adder.pick('onnx')} />
      <Pick label={t('addModel.file.metadata')} icon="file" hint={`${t('addModel.optional')} · ${t('addModel.file.metadataHint')}`} quiet file={metadata} disabled={busy !== null && busy !== 'pick'} testId="pick-metadata" onPick={() => void adder.pick('metadata')}>
        {metadata && <Button size="xs" variant="subtle" disabled={busy !== null && busy !== 'pick'} onClick={() => adder.withoutMetadata()}>{t('addModel.file.without')}</Button>}
      </Pick>
    </>
  );
}

/** What was chosen in a dialog, and the way to it. */
export function Pick({ label, hint = '', icon, file, note = '', disabled, quiet = false, testId, onPick, children }: {
  label: string; hint?: string; icon: IconName; file: PickedFile | null; note?: string; disabled: boolean; quiet?: boolean; testId: string; onPick: () => void; children?: JSX.Element | null | false;
}): JSX.Element {
  const { t } = useTranslation();
  return (
    <div className={file ? 'pick chosen' : 'pick'} role="group" aria-label={label}>
      <Icon name={icon} size={22} />
      <div className="grow">
        <strong>{label}</strong>
        <p className={file ? 'pick-name' : 'dim'}>{file?.name ?? t('addModel.notChosen')}{note !== '' && <span className="dim"> · {note}</span>}</p>
        {hint !== '' && <p className="dim small">{hint}</p>}
      </div>
      {children}
      <Button size="xs" variant={file || quiet ? 'default' : 'filled'} disabled={disabled} data-testid={testId} onClick={onPick}>{t(file ? 'addModel.change' : 'addModel.choose')}</Button>
    </div>
  );
}
