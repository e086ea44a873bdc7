import { Button } from '@mantine/core';
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { Adding } from '../../state/adding.ts';
import { useApp } from '../../ui/app.ts';
import { Pick } from '../../ui/Pick.tsx';

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
