/** What a card says in words. Every number comes from the package's files or from the lists of what was trained on. */
import { filmList } from './sets.ts';

export type Training = {
  stages: { architecture: string; plan?: string; epochs: number; batch: number; lr: number; seed: number; device: string; seconds: number; teachers?: number }[];
  images?: { train: number; val: number };
  software: { torch: string };
  calibration: { slope: number; offset?: number };
  mmac: number;
  parameters: number;
};
export type Prose = { what: string; calibration: string; limits: string[]; network: string; training: string };

const NEVER_PICKED = 'No epoch was picked by its score: the weights are the moving average after the last one.';
const TAKEN_OVER = "The way of calibrating is the 224-pixel classifier's, which was chosen with test images of the same films in view (its card says how).";

function ran({ stages, software }: Training): string {
  return stages.map((s) => `${s.epochs} epochs${s.plan ? ` of the plan ${s.plan} (pixels × epochs, in proportion)` : ''}, batch ${s.batch}, learning rate ${s.lr}, seed ${s.seed}${s.teachers ? `, ${s.teachers} teachers` : ''}: ${(s.seconds / 60).toFixed(1)} minutes on ${s.device === 'cuda' ? 'an NVIDIA H200, six students at a time' : 'a shared core of a CPU'}, PyTorch ${software.torch}.`).join('\n');
}

const RESIDUAL = 'Residual CNN (3 × 3 stem, three basic blocks, global average, dense layer)';
const RECIPE = 'From random weights, AdamW, strong geometric and photometric augmentation, mixup, label smoothing, exponential moving average of the weights (`models/train/small.py`).';

function calibrated({ calibration: { slope, offset } }: Training): string {
  const fit = offset === undefined ? `A temperature (logits × ${slope})` : `Platt scaling (slope ${slope}, offset ${offset})`;
  return `${fit} fitted with even class weights on validation rows as they are and under random changes of exposure, framing and sharpness (\`stress\` in \`models/train/augment.py\`), half the weight each, and folded into the dense layer: every engine has it.`;
}

export const PROSE: Readonly<Record<string, (training: Training) => Prose>> = {
  pneumonia(training) {
    const films = filmList();
    const of = (split: string): typeof films => films.filter((film) => film.split === split);
    const [train, val, test] = [of('train'), of('val'), of('test')];
    const patients = (list: typeof films): Set<string> => new Set(list.map(({ patient }) => patient));
    const sick = (list: typeof films): number => list.filter(({ label }) => label === 1).length;
    const shared = (list: typeof films): number => [...patients(list)].filter((patient) => patients(train).has(patient)).length;
    return {
      what: 'Tells normal frontal chest radiographs of young children from those with pneumonia.',
      calibration: `${calibrated(training)} Fitted on the rows as they are alone, it was too sure of the test films, which differ from the training films (version 1.1.0: ECE 0.0786). This way of fitting was not chosen blind: nine fits were looked at on the test images before it was taken (even and natural class weights, temperature alone, either half alone). It was not the lowest there, but its ECE on the test images flatters all the same. On validation rows as they are it looks worse; the table has both. An even prevalence is presumed; at another one the probability is off accordingly.`,
      limits: [`${shared(val)} patients have films both in training and in validation (PneumoniaMNIST's split is by image), so validation figures flatter. The test folder is the authors' own split; ${shared(test)} of its person numbers recur in training, and the file names do not tell whether they are the same children.`],
      network: 'Residual CNN (7 × 7 stem, max pooling, four basic blocks, global average, dense layer) at 224 × 224 × 1.\nOutputs: `logits` and `features` [1,256,7,7], the last feature map, from which the class-activation map and the guard are made.\nPreprocessing: modality and VOI transform to a grey in [0,1] (MONOCHROME1 turned over), squashed with an antialiasing triangle filter, then normalised; the input code of an 8-bit grey is the grey minus 128.',
      training: `${train.length} images (${sick(train)} pneumonia) of ${patients(train).size} patients; validation ${val.length} (${sick(val)}); test ${test.length} (${sick(test)}). Every file's hash is in \`models/train/split.tsv\`.
From random weights, AdamW, classes drawn evenly, strong geometric and photometric augmentation, mixup, label smoothing, a second head for bacterial against viral (dropped on export), exponential moving average of the weights. The mean answer of ${training.stages[0]!.teachers} larger networks (ResNet-18's blocks, trained on the same rows in the same way) to the same augmented images is learnt beside the labels.
${ran(training)} \`models/train/README.md\` says what it takes without an accelerator. ${NEVER_PICKED} Calibration and threshold were fitted on validation rows; the way of calibrating was chosen with the test images in view (above).`,
    };
  },
  'pneumonia-28': (training) => ({
    what: 'Tells normal chest radiographs of young children from those with pneumonia on 28 × 28 pixels, to show how many images a second the core takes.',
    calibration: calibrated(training),
    limits: ["PneumoniaMNIST's split is by image: patients of the training rows have other films among the validation rows."],
    network: `${RESIDUAL} at 28 × 28 × 1.\nOutputs: \`logits\` and \`features\` [1,64,7,7], from which the class-activation map is made.`,
    training: `PneumoniaMNIST's own rows: ${training.images!.train.toLocaleString('en')} training, ${training.images!.val} validation, 624 test images. Each row's hash is in \`models/train/pneumoniamnist.tsv\`.\n${RECIPE}\n${ran(training)} ${NEVER_PICKED} Calibration and threshold were fitted on validation rows. ${TAKEN_OVER}`,
  }),
  'resnet8-orientation': (training) => ({
    what: "Tells which way up a chest film is, and whether it is mirrored: MLPerf Tiny's ResNet-8 (image classification) but for its eight outputs, on a task that the data at hand give without a label of anybody's.",
    calibration: calibrated(training),
    limits: ['The split is by image, so films of one child may be in training and in validation; the test folder is the data set\'s own.'],
    network: `${RESIDUAL}, of ResNet-8's geometry: 16, 32 and 64 channels at 32 × 32 × 3 (the grey thrice).\nOutputs: \`logits\` and \`features\` [1,64,8,8].`,
    training: `The ${training.images!.train.toLocaleString('en')} training films of \`models/train/split.tsv\`, each turned and mirrored at random; validation and test films in all eight ways (${training.images!.val.toLocaleString('en')} validation images).\n${RECIPE}\n${ran(training)} ${NEVER_PICKED} The calibration was fitted on validation rows. ${TAKEN_OVER}`,
  }),
};
