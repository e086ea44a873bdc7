/** Cautions that a reader must see before the numbers, from the file and the model's metadata. */
import type { InstanceInfo } from '../contract/dicom.ts';
import type { Warning } from '../contract/engine.ts';
import type { ModelMetadata } from '../contract/model.ts';
import type { Frame } from '../contract/pixels.ts';
import type { Features } from '../engines/index.ts';
import { distanceOf } from './guard.ts';

export function warningsFor(instance: InstanceInfo, frame: Frame, { fabriclens: { title, intended, preprocessing } }: ModelMetadata): Warning[] {
  const warnings: Warning[] = [];
  const warn = (code: Warning['code'], message: string, values: Record<string, string> = {}): void => void warnings.push({ code, message, values });

  if (!intended.modalities.includes(instance.modality)) {
    const modality = instance.modality || 'unknown';
    warn('modality-not-intended', `${title.en} is meant for modality ${intended.modalities.join(', ')}; this image's is ${modality}.`, { modality, intended: intended.modalities.join(', ') });
  }
  if (instance.bodyPart !== '' && intended.bodyParts.length > 0 && !intended.bodyParts.includes(instance.bodyPart)) {
    warn('body-part-not-intended', `${title.en} is meant for ${intended.bodyParts.join(', ')}; this image's body part is ${instance.bodyPart}.`, { bodyPart: instance.bodyPart, intended: intended.bodyParts.join(', ') });
  }
  if (instance.viewPosition !== '' && intended.views.length > 0 && !intended.views.includes(instance.viewPosition)) {
    warn('view-not-intended', `${title.en} is meant for the views ${intended.views.join(', ')}; this image's is ${instance.viewPosition}.`, { view: instance.viewPosition, intended: intended.views.join(', ') });
  }
  if (frame.kind === 'colour') {
    if (preprocessing.channels === 1) warn('colour-image', `This is a colour image (${instance.photometricInterpretation}); the model sees its brightness only.`, { photometric: instance.photometricInterpretation });
  } else if (!frame.voiFromFile) {
    warn('no-window-in-file', "The file has no window; the model sees the image over the frame's own value range.");
  }
  if (instance.qualityControl) warn('quality-control-image', 'The file says that it is a phantom or synthetic image, not a patient.');
  return warnings;
}

/** By the features that the first engine found; one judgement for all engines. */
export function unlikeTraining(features: Features, { fabriclens }: ModelMetadata): Warning[] {
  if (fabriclens.task !== 'classification' || fabriclens.guard === undefined) return [];
  const { guard: { limit }, title } = fabriclens;
  const distance = distanceOf(features, fabriclens.guard);
  if (distance <= limit) return [];
  const values = { distance: distance.toFixed(2), limit: limit.toFixed(2) };
  return [{ code: 'unlike-training-images', message: `To ${title.en} this image looks unlike the ones it was made for (distance ${values.distance}, limit ${values.limit}): another body part or kind of image, or a film that is turned or inverted. Its numbers mean little here.`, values }];
}
