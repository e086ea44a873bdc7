"""evaluation.json, seeds.json, training.json and the ONNX files -> metadata.json and CARD.md of models/pneumonia.

    python card.py

No figure is written by hand: those that are not in the JSON files are counted from split.tsv or read from the graphs.
"""
import json

import numpy as np
import onnx
from onnx import numpy_helper

import data
from evaluate import sha256
from train import MEAN, STD

VERSION = '1.1.0'
DATA_SOURCE = ('Kermany D, Zhang K, Goldbaum M. "Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images for Classification", '
               'Mendeley Data rscbjbr9sj (CC BY 4.0); described in Kermany et al., Cell 172, 1122-1131 (2018), doi:10.1016/j.cell.2018.02.010. '
               'Validation rows as in PneumoniaMNIST (Yang et al., Scientific Data 10, 41, 2023).')
INTENDED = {
    'en': 'Research and demonstration on frontal (AP) chest radiographs of children aged one to five. Not for diagnostic use.',
    'zh-CN': '仅供研究与演示：一至五岁儿童的正位（AP）胸部X线片。不得用于诊断。',
}
LIMITS = [
    {'en': 'Trained on paediatric AP films of one hospital only; adults, other projections and other equipment are untried.',
     'zh-CN': '仅用一家医院的儿童AP位胸片训练；成人、其他投照体位及其他设备均未验证。'},
    {'en': 'Pneumonia was the one finding labelled. Any other disease is called NORMAL or PNEUMONIA, never by its name.',
     'zh-CN': '训练标签只有“肺炎”一种；任何其他疾病只会被判为“正常”或“肺炎”。'},
    {'en': 'Both classes were drawn evenly in training and weighed evenly in calibration; the probability is no risk at the prevalence of a clinic.',
     'zh-CN': '训练与校准时两类样本权重相同；所示概率并非按门诊患病率计算的风险。'},
    {'en': 'The test films differ from the training films, and normal ones are called pneumonia more often there than on validation rows.',
     'zh-CN': '测试胸片与训练胸片存在分布差异，其中正常片被误判为肺炎的比例高于验证集。'},
    {'en': 'The heat map shows where the last feature map spoke for a class. It is no outline of a lesion.',
     'zh-CN': '热图只表示最后一层特征对该类别的贡献位置，并非病灶轮廓。'},
]
LABELS = [
    {'name': 'NORMAL', 'text': {'en': 'Normal', 'zh-CN': '正常'}},
    {'name': 'PNEUMONIA', 'text': {'en': 'Pneumonia', 'zh-CN': '肺炎'}},
]


def initialisers(name):
    return {t.name: numpy_helper.to_array(t) for t in onnx.load(data.PACKAGE / name).graph.initializer}


def input_codes():
    """Scale and zero point of the int8 network's input."""
    values = initialisers('model.int8.onnx')
    first = next(n for n in onnx.load(data.PACKAGE / 'model.int8.onnx').graph.node if n.op_type == 'QuantizeLinear' and n.input[0] == 'image')
    return float(values[first.input[1]]), int(values[first.input[2]])


def tensor_format(kind, channels, shape, **more):
    return {'type': kind, 'format': 'magnitude', 'modality': 'DX', 'num_channels': channels, 'spatial_shape': shape, 'dtype': 'float32', **more}


def metadata(evaluation, training):
    float_weights, scale, zero = initialisers('model.onnx'), *input_codes()
    features = onnx.load(data.PACKAGE / 'model.onnx').graph.output[1].type.tensor_type.shape.dim
    _, channels, height, width = [d.dim_value for d in features]
    metrics = {}
    for split, short in (('test', 'test'), ('testMedmnist', 'test_medmnist')):
        for engine in ('fp32', 'int8'):
            for figure in ('auc', 'accuracy', 'sensitivity', 'specificity'):
                metrics[f'{short}_{engine}_{figure}'] = evaluation[split][engine][figure]
        metrics[f'{short}_label_agreement'] = evaluation[split]['fidelity']['labelAgreement']
        metrics[f'{short}_max_difference'] = evaluation[split]['fidelity']['maxDifference']
    return {
        'schema': 'https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json',
        'version': VERSION,
        'changelog': {'1.0.0': 'first trained version', VERSION: 'the same network, taught by three larger ones'},
        'name': 'Paediatric pneumonia',
        'task': 'Classification of frontal chest radiographs: normal or pneumonia',
        'description': f"Residual convolutional network of {training['mmac']:.0f} million multiply-accumulates for an int8 accelerator, trained from scratch.",
        'authors': 'FabricLens contributors',
        'copyright': 'Copyright 2026 FabricLens contributors',
        'license': 'Apache-2.0',
        'data_source': DATA_SOURCE,
        'data_type': 'DICOM',
        'image_classes': 'one frontal chest radiograph, grey in [0,1], normalised',
        'label_classes': '0 NORMAL, 1 PNEUMONIA (bacterial or viral)',
        'pred_classes': 'two logits; softmax gives the probabilities',
        'intended_use': INTENDED['en'],
        'eval_metrics': metrics,
        'references': ['doi:10.1016/j.cell.2018.02.010', 'doi:10.17632/rscbjbr9sj', 'doi:10.1038/s41597-022-01721-8'],
        'network_data_format': {
            'inputs': {'image': tensor_format('image', 1, [data.SIZE, data.SIZE], value_range=[(0 - MEAN) / STD, (1 - MEAN) / STD],
                                              is_patch_data=False, channel_def={'0': 'grey'})},
            'outputs': {
                'logits': tensor_format('logits', 2, [], value_range=[], is_patch_data=False, channel_def={'0': 'NORMAL', '1': 'PNEUMONIA'}),
                'features': tensor_format('feature', channels, [height, width], value_range=[], is_patch_data=False, channel_def={}),
            },
        },
        'fabriclens': {
            'name': 'pneumonia',
            'title': {'en': 'Paediatric pneumonia', 'zh-CN': '儿童肺炎'},
            'sha256': evaluation['sha256'] | compiled(evaluation),
            'input': {'name': 'image', 'shape': [1, 1, data.SIZE, data.SIZE],
                      'scale': scale, 'zeroPoint': zero},
            'preprocessing': {'width': data.SIZE, 'height': data.SIZE, 'fit': 'squash', 'pad': 0, 'resample': 'triangle', 'mean': MEAN, 'std': STD},
            'outputs': {'logits': 'logits', 'features': 'features'},
            'activation': 'softmax',
            'labels': LABELS,
            'threshold': {'classIndex': 1, **evaluation['threshold'], 'sha256': evaluation['sha256']['model.onnx']},
            'tolerance': evaluation['tolerance'],
            'heatmap': {'weights': [[float(f'{v:.7g}') for v in row] for row in np.asarray(float_weights['dense.weight'], np.float64)]},
            'intended': {'modalities': ['DX', 'CR', 'RG'], 'bodyParts': ['CHEST', 'THORAX', 'LUNG'], 'text': INTENDED},
            'limits': LIMITS,
        },
    }


def compiled(evaluation):
    """The hash of program.bin that the compiler wrote into metadata.json, if it was made of these very models."""
    path = data.PACKAGE / 'metadata.json'
    known = json.loads(path.read_text())['fabriclens']['sha256'] if path.exists() else {}
    same = all(known.get(n) == h for n, h in evaluation['sha256'].items())
    return {'program.bin': known['program.bin']} if same and 'program.bin' in known else {}


def table(evaluation):
    head = '| rows | engine | AUC | accuracy | sensitivity | specificity | accuracy at 0.5 |\n|---|---|---|---|---|---|---|'
    lines = [head]
    names = {'test': 'test, {test} images', 'testMedmnist': 'of these, the {testMedmnist} in MedMNIST\'s test split', 'val': 'validation, {val} images'}
    for split, name in names.items():
        for engine in ('fp32', 'int8'):
            f = evaluation[split][engine]
            auc, accuracy = f"{f['auc']:.4f}", f"{f['accuracy']:.4f}"
            if 'interval95' in f:
                low, high = f['interval95']['auc'], f['interval95']['accuracy']
                auc += f' ({low[0]:.3f} to {low[1]:.3f})'
                accuracy += f' ({high[0]:.3f} to {high[1]:.3f})'
            lines.append(f"| {name.format(**evaluation['images'])} | {engine} | {auc} | {accuracy} | {f['sensitivity']:.4f} | {f['specificity']:.4f} | {f['accuracyAtHalf']:.4f} |")
    return '\n'.join(lines)


def stages(training):
    """A line a stage of training."""
    return '\n'.join(f"- {s['epochs']} epochs of the plan {s['plan']} (pixels × epochs, in proportion), batch {s['batch']}, learning rate {s['lr']}, seed {s['seed']}, "
                     f"{s['teachers']} teachers: {s['seconds'] / 60:.1f} minutes on {s['device']}" for s in training['stages'])


def seed_table(seeds):
    lines = ['| seed | AUC | accuracy | sensitivity | specificity |', '|---|---|---|---|---|']
    for s in seeds['seeds']:
        lines.append('| ' + ' | '.join([str(s['seed'])] + [f'{s[k]:.4f}' for k in ('auc', 'accuracy', 'sensitivity', 'specificity')]) + ' |')
    lines.append('| mean ± sd | ' + ' | '.join(f"{seeds['mean'][k]:.4f} ± {seeds['sd'][k]:.4f}" for k in ('auc', 'accuracy', 'sensitivity', 'specificity')) + ' |')
    return '\n'.join(lines)


def card(evaluation, training, seeds):
    counts = {s: data.manifest(s) for s in ('train', 'val', 'test')}
    shared = {r['patient'] for r in counts['train']} & {r['patient'] for r in counts['val']}
    recurring = {r['patient'] for r in counts['train']} & {r['patient'] for r in counts['test']}
    fidelity = evaluation['test']['fidelity']
    positives = {s: sum(r['label'] for r in rows) for s, rows in counts.items()}
    limits = '\n'.join('- ' + l['en'] for l in LIMITS)
    return f"""# Paediatric pneumonia {VERSION}

<!-- Written by models/train/card.py from evaluation.json, seeds.json and training.json. Do not edit. -->

Tells normal frontal chest radiographs of young children from those with pneumonia. **Not for diagnostic use.**

## Intended use
{INTENDED['en']} Files of Modality DX, CR or RG are accepted without a warning.

## Results
At the threshold {evaluation['threshold']['value']} on P(PNEUMONIA); 95 % bootstrap intervals in brackets.

{table(evaluation)}

Threshold: {evaluation['threshold']['method']} It belongs to `model.onnx` {evaluation['sha256']['model.onnx']}.

Int8 against fp32 on the test images: same label on {fidelity['labelAgreement']:.2%}, largest difference of probability {fidelity['maxDifference']:.4f}, mean {fidelity['meanDifference']:.4f}.

### Seeds
The recipe with five seeds on the 624 test images, in fp32, each at its own threshold, chosen on validation rows as above. Shipped is seed {training['stages'][0]['seed']}: the highest mean of the AUCs on validation rows as they are and under random changes (`stress` in `models/train/augment.py`).

{seed_table(seeds)}

## Limits
{limits}
- {len(shared)} patients have films both in training and in validation (PneumoniaMNIST's split is by image), so validation figures flatter. The test folder is the authors' own split; {len(recurring)} of its person numbers recur in training, and the file names do not tell whether they are the same children.

## Network
Residual CNN (7 × 7 stem, max pooling, four basic blocks, global average, dense layer): {training['mmac']} million multiply-accumulates and {training['parameters'] / 1e6:.2f} million parameters at 224 × 224 × 1.
Outputs: `logits` [1,2] and `features` [1,256,7,7], the last feature map, from which the class-activation map is made.
`model.int8.onnx`: canonical QDQ, calibrated by `fabriclens compile` on 256 training rows; the input code is the 8-bit grey minus 128.

Preprocessing: modality and VOI transform to a grey in [0,1] (MONOCHROME1 turned over), squashed to 224 × 224 with an antialiasing triangle filter, then (grey - {MEAN:.7g}) / {STD}.

## Training
{len(counts['train'])} images ({positives['train']} pneumonia) of {len({r['patient'] for r in counts['train']})} patients; validation {len(counts['val'])} ({positives['val']}); test {len(counts['test'])} ({positives['test']}). Every file's hash is in `models/train/split.tsv`.
From random weights, AdamW, classes drawn evenly, strong geometric and photometric augmentation, mixup, label smoothing, a second head for bacterial against viral (dropped on export), exponential moving average of the weights. The mean answer of {training['stages'][0]['teachers']} larger networks (ResNet-18's blocks, trained on the same rows in the same way) to the same augmented images is learnt beside the labels:

{stages(training)}

With an NVIDIA H200, PyTorch {training['software']['torch']}, six students at a time; `models/train/README.md` says what it takes without one. The logits are calibrated by Platt scaling on validation rows with even class weights (slope {training['calibration']['slope']}, offset {training['calibration']['offset']}, folded into the dense layer). Validation rows chose this and the threshold; no test image did.

## Data and licence
{DATA_SOURCE}
The weights are licensed as the project is (Apache-2.0).
"""


def main():
    evaluation = json.loads((data.PACKAGE / 'evaluation.json').read_text())
    training = json.loads((data.PACKAGE / 'training.json').read_text())
    if any(sha256(n) != h for n, h in evaluation['sha256'].items()):
        raise SystemExit('evaluation.json is of other models: run evaluate.py first')
    text = json.dumps(metadata(evaluation, training), indent=1, ensure_ascii=False)
    (data.PACKAGE / 'metadata.json').write_text(text + '\n')
    (data.PACKAGE / 'CARD.md').write_text(card(evaluation, training, json.loads((data.PACKAGE / 'seeds.json').read_text())))


if __name__ == '__main__':
    main()
