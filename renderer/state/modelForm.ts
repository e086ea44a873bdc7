/** The wizard's description of a model: text as it is typed, made of a draft and into what the host takes. Pure. */
import { ModelFields, type ModelDraft, type ModelTask } from '../../src/contract/ipc.ts';
import type { Preprocessing } from '../../src/contract/model.ts';

export interface ModelForm {
  name: string;
  title: string;
  task: ModelTask | null;
  /** One a line. */
  labels: string;
  fit: Preprocessing['fit'];
  /** One a channel. */
  mean: readonly string[];
  std: readonly string[];
  /** With commas or spaces. */
  modalities: string;
}

/** What is wrong with a field: a key under addModel.fault. */
export type Fault = 'name' | 'nameTaken' | 'title' | 'task' | 'labels' | 'labelCount' | 'duplicate' | 'mean' | 'std' | 'modalities';
export type Faults = Partial<Record<keyof ModelForm, Fault>>;

const perChannel = (value: Preprocessing['mean'], channels: number): string[] => Array.from({ length: channels }, (_, i) => String(typeof value === 'number' ? value : (value[i] ?? 0)));

export function formOf({ name, title, task, labels, preprocessing: { channels, mean, std, fit }, modalities }: ModelDraft): ModelForm {
  return { name, title, task, labels: (labels ?? []).join('\n'), fit, mean: perChannel(mean, channels), std: perChannel(std, channels), modalities: modalities.join(', ') };
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const MODALITY = /^[A-Z0-9_]{1,16}$/;
const GREY_114 = 114 / 255;

const lines = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
const words = (text: string): string[] => text.toUpperCase().split(/[\s,;，、]+/).filter((word) => word !== '');
const numbers = (texts: readonly string[]): number[] => texts.map((text) => (text.trim() === '' ? NaN : Number(text.trim().replace(',', '.'))));

/** What the host takes, or what is wrong by field. `taken`: names in use. */
export function fieldsOf(form: ModelForm, draft: ModelDraft, taken: readonly string[]): { fields: ModelFields } | { faults: Faults } {
  const faults: Faults = {};
  const [labels, modalities, mean, std] = [lines(form.labels), words(form.modalities), numbers(form.mean), numbers(form.std)];
  if (!NAME.test(form.name)) faults.name = 'name';
  else if (taken.some((name) => name.toLowerCase() === form.name.toLowerCase())) faults.name = 'nameTaken';
  if (form.title.trim() === '') faults.title = 'title';
  if (form.task === null) faults.task = 'task';
  if (new Set(labels).size < labels.length) faults.labels = 'duplicate';
  else if (form.task === 'classification' && draft.classes !== null && labels.length > 0 && labels.length !== draft.classes) faults.labels = 'labelCount';
  else if (form.task === 'detection' && labels.length === 0 && draft.labels === null) faults.labels = 'labels';
  if (!mean.every(Number.isFinite)) faults.mean = 'mean';
  if (!std.every((value) => value > 0 && Number.isFinite(value))) faults.std = 'std';
  if (!modalities.every((word) => MODALITY.test(word))) faults.modalities = 'modalities';
  if (form.task === null || Object.keys(faults).length > 0) return { faults };
  const { width, height, channels, resample, fit, pad } = draft.preprocessing;
  const whole = (values: number[]): Preprocessing['mean'] => (new Set(values).size === 1 ? values[0]! : (values as [number, number, number]));
  return {
    fields: ModelFields.parse({
      name: form.name, title: form.title.trim(), task: form.task, labels: labels.length === 0 ? null : labels, modalities,
      preprocessing: { width, height, channels, resample, fit: form.fit, pad: form.fit === 'squash' ? 0 : fit === 'letterbox' ? pad : form.task === 'detection' ? GREY_114 : 0, mean: whole(mean), std: whole(std) },
    }),
  };
}
