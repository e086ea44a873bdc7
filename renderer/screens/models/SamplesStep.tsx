import { NumberInput, SegmentedControl } from '@mantine/core';
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { CalibrationMethod } from '../../../src/contract/ipc.ts';
import type { Adding } from '../../state/adding.ts';
import { useApp } from '../../ui/app.ts';
import { Pick } from '../../ui/Pick.tsx';

export function SamplesStep({ adding: { draft, samples, method, limit, busy } }: { adding: Adding }): JSX.Element {
  const { t } = useTranslation();
  const { session: { adder } } = useApp();
  const quantised = draft?.quantised ?? false;
  return (
    <>
      <p>{t(quantised ? 'addModel.samples.textQuantised' : 'addModel.samples.text')}</p>
      <Pick
        label={t('addModel.samples.folder')} icon="folder" file={samples} note={samples?.files === undefined ? '' : t('addModel.samples.files', { count: samples.files })}
        disabled={busy !== null && busy !== 'pick'} testId="pick-samples" onPick={() => void adder.pick('samples')}
      />
      {!quantised && (
        <div className="field">
          <span className="field-label">{t('addModel.samples.method')}</span>
          <SegmentedControl
            size="xs" aria-label={t('addModel.samples.method')} value={method ?? 'best'} data-testid="method"
            data={(['best', ...CalibrationMethod.options] as const).map((value) => ({ value, label: t(`method.${value}`) }))} onChange={(value) => adder.set({ method: CalibrationMethod.safeParse(value).data ?? null })}
          />
          <p className="dim small">{t('addModel.samples.methodHint')}</p>
        </div>
      )}
      <NumberInput
        size="xs" w={220} label={t('addModel.samples.limit')} description={t('addModel.samples.limitHint')} min={1} max={10_000} clampBehavior="strict" allowDecimal={false} value={limit} data-testid="limit"
        onChange={(value) => { if (typeof value === 'number' && value >= 1) adder.set({ limit: value }); }}
      />
    </>
  );
}
