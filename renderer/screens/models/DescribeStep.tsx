import { SegmentedControl, Textarea, TextInput } from '@mantine/core';
import type { JSX, ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { ModelDraft, ModelTask } from '../../../src/contract/ipc.ts';
import type { Adding } from '../../state/adding.ts';
import { formOf, type ModelForm } from '../../state/modelForm.ts';
import { useApp } from '../../ui/app.ts';
import { shape } from './numbers.ts';

const GUESSED = { task: ['task'], labels: ['labels'], preprocessing: ['fit', 'mean', 'std'], modalities: ['modalities'] } as const satisfies Record<ModelDraft['unknown'][number], ReadonlyArray<keyof ModelForm>>;
const CHANNELS = ['red', 'green', 'blue'] as const;

/** What the files say, in fields; guesses are marked until they are touched. */
export function DescribeStep({ adding: { draft, form, faults } }: { adding: Adding }): JSX.Element | null {
  const { t } = useTranslation();
  const { session: { adder } } = useApp();
  if (!draft || !form) return null;
  const { channels, width, height } = draft.preprocessing;
  const fault = (field: keyof ModelForm): string | undefined => faults[field] && t(`addModel.fault.${faults[field]}`);
  const first = formOf(draft);
  const untouched = (field: ModelDraft['unknown'][number]): boolean => GUESSED[field].every((key) => String(form[key]) === String(first[key]));
  const guess = (field: ModelDraft['unknown'][number]): ReactNode => draft.unknown.includes(field) && untouched(field) && <span className="guess" data-testid={`guess-${field}`}>{t('addModel.describe.guess')}</span>;
  const statistic = (field: 'mean' | 'std'): JSX.Element => (
    <div className="channels">
      {form[field].map((value, index) => {
        const what = t(`addModel.describe.${field}`);
        const label = channels === 1 ? what : t('addModel.describe.of', { what, channel: t(`addModel.describe.channel.${CHANNELS[index]!}`) });
        return <TextInput key={index} size="xs" label={label} inputMode="decimal" value={value} error={index === 0 ? fault(field) : faults[field] !== undefined} data-testid={`${field}-${index}`} onChange={(event) => adder.edit({ [field]: form[field].map((old, i) => (i === index ? event.currentTarget.value : old)) })} />;
      })}
    </div>
  );
  return (
    <>
      <p>{t('addModel.describe.text')}</p>
      <div className="describe">
        <div className="describe-fields">
          <TextInput size="xs" required label={t('addModel.describe.name')} description={t('addModel.describe.nameHint')} value={form.name} error={fault('name')} data-testid="field-name" onChange={(event) => adder.edit({ name: event.currentTarget.value })} />
          <TextInput size="xs" required label={t('addModel.describe.title')} value={form.title} error={fault('title')} data-testid="field-title" onChange={(event) => adder.edit({ title: event.currentTarget.value })} />
          <Field label={t('addModel.describe.task')} mark={guess('task')} error={fault('task')}>
            <SegmentedControl size="xs" aria-label={t('addModel.describe.task')} value={form.task ?? ''} data={(['classification', 'detection'] as const).map((value) => ({ value, label: t(`addModel.describe.${value}`) }))} onChange={(value) => adder.edit({ task: value as ModelTask })} />
          </Field>
          <Textarea
            size="xs" autosize minRows={3} maxRows={8} label={<>{t('addModel.describe.labels')} {guess('labels')}</>} aria-label={t('addModel.describe.labels')} value={form.labels} error={fault('labels')} data-testid="field-labels"
            description={draft.classes === null ? t('addModel.describe.labelsHintOpen') : t('addModel.describe.labelsHint', { count: draft.classes })} onChange={(event) => adder.edit({ labels: event.currentTarget.value })}
          />
          <TextInput size="xs" label={<>{t('addModel.describe.modalities')} {guess('modalities')}</>} aria-label={t('addModel.describe.modalities')} description={t('addModel.describe.modalitiesHint')} value={form.modalities} error={fault('modalities')} data-testid="field-modalities" onChange={(event) => adder.edit({ modalities: event.currentTarget.value })} />
        </div>
        <div className="describe-fields">
          <Field label={t('addModel.describe.preprocessing')} mark={guess('preprocessing')}>
            <p className="dim small">{t('addModel.describe.size', { width, height, channels: t(`addModel.describe.channels.${channels === 1 ? 'grey' : 'colour'}`) })}</p>
          </Field>
          <Field label={t('addModel.describe.fit')}>
            <SegmentedControl size="xs" aria-label={t('addModel.describe.fit')} value={form.fit} data={(['squash', 'letterbox'] as const).map((value) => ({ value, label: t(`addModel.describe.${value}`) }))} onChange={(value) => adder.edit({ fit: value as ModelForm['fit'] })} />
          </Field>
          {statistic('mean')}
          {statistic('std')}
          <Field label={t('addModel.describe.network')}>
            <dl className="facts">
              <dt>{t('addModel.describe.input')}</dt><dd><code>{draft.input.name}</code> {shape(draft.input.shape)}, {t(draft.quantised ? 'addModel.describe.quantised' : 'addModel.describe.float')}</dd>
              <dt>{t('addModel.describe.outputs')}</dt><dd>{draft.outputs.map(({ name, shape: dims }) => <span key={name} className="output"><code>{name}</code> {shape(dims)}</span>)}</dd>
            </dl>
          </Field>
          {draft.notes.length > 0 && <ul className="small dim" lang="en">{draft.notes.map((note) => <li key={note}>{note}</li>)}</ul>}
        </div>
      </div>
    </>
  );
}

function Field({ label, mark, error, children }: { label: string; mark?: ReactNode; error?: string | undefined; children: ReactNode }): JSX.Element {
  return (
    <div className="field">
      <span className="field-label">{label} {mark}</span>
      {children}
      {error !== undefined && <p className="field-error" role="alert">{error}</p>}
    </div>
  );
}
