/** Cautions that a reader must see before the numbers, from the file and the model's metadata. */
import type { InstanceInfo } from '../contract/dicom.ts';
import type { Warning } from '../contract/engine.ts';
import type { ModelMetadata } from '../contract/model.ts';
import type { Frame } from '../contract/pixels.ts';

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
  if (frame.kind === 'colour') {
    if (preprocessing.channels === 1) warn('colour-image', `This is a colour image (${instance.photometricInterpretation}); the model sees its brightness only.`, { photometric: instance.photometricInterpretation });
  } else if (!frame.voiFromFile) {
    warn('no-window-in-file', "The file has no window; the model sees the image over the frame's own value range.");
  }
  if (instance.qualityControl) warn('quality-control-image', 'The file says that it is a phantom or synthetic image, not a patient.');
  return warnings;
}
