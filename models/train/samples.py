"""Write models/samples: a study of synthetic chest radiographs (DX) and a short synthetic CT series, both ours.

    python samples.py            writes the files (needs no data set)
    python samples.py --check    compares the films with every training image and asks the model; writes models/SAMPLES.md

Deterministic: UIDs are UUIDs derived from names (PS3.5 B.2, root 2.25), so a second run writes the same bytes.
"""
import shutil
import sys
import uuid

import numpy as np
import pydicom
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

import data
import phantom

SAMPLES = data.HERE.parent / 'samples'
COMMENT = 'Synthetic image: rendered phantom, no patient, no part of any radiograph. Not for diagnostic use.'
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, 'urn:fabriclens:samples')

FILMS = [
    dict(name='clear-1', series='Phantom, clear lungs', seed=11),
    dict(name='clear-2', series='Phantom, clear lungs', seed=21),
    dict(name='opacity-1', series='Phantom, opacities', seed=13, patches=[(-3.9, 9.6, 3.0, 3.0, .9)], haze=.15, bronchial=.3),
    dict(name='opacity-2', series='Phantom, opacities', seed=14,
         patches=[(-3.6, 7.8, 2.6, 3.2, .75), (4.2, 8.6, 2.6, 3.2, .75), (-4.5, 10.8, 2.4, 2.0, .8)], haze=.3, bronchial=.6),
]


def uid(*names):
    """UID of root 2.25 from a name; the same name gives the same UID."""
    return f"2.25.{uuid.uuid5(NAMESPACE, '/'.join(names)).int}"


def code(value, scheme, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def base(sop_class, study, series, number, patient, description):
    """What both kinds of image carry: patient, study, series, equipment, synthetic mark."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = uid(study, series, str(number))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid('implementation')
    meta.ImplementationVersionName = 'FABRICLENS_1'
    ds = FileDataset(None, {}, file_meta=meta, preamble=b'\0' * 128)
    ds.SpecificCharacterSet = 'ISO_IR 192'
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid(study), uid(study, series)
    ds.PatientName, ds.PatientID, ds.PatientSex, ds.PatientBirthDate = patient, 'SYN-' + patient[-1], 'O', '20230101'
    ds.PatientAge = '003Y'
    ds.PatientComments = 'No person: a rendered phantom'
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = ds.AcquisitionDate = '20260101'
    ds.StudyTime = ds.SeriesTime = '120000'
    ds.ContentTime = ds.AcquisitionTime = f'1200{number:02d}'
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = '1', '', ''
    ds.StudyDescription = f'SYNTHETIC {description}'
    ds.Manufacturer, ds.ManufacturerModelName = 'FabricLens', 'models/train/samples.py'
    ds.DeviceSerialNumber, ds.SoftwareVersions, ds.InstitutionName = '0', '1', 'None (synthetic)'
    ds.InstanceNumber = number
    ds.ImageComments, ds.QualityControlImage, ds.BurnedInAnnotation = COMMENT, 'YES', 'NO'
    ds.LossyImageCompression = '00'
    ds.BodyPartExamined = 'CHEST'
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, 'MONOCHROME2'
    return ds


def pixels(ds, stored, bits):
    ds.Rows, ds.Columns = stored.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, bits, bits - 1, 0
    ds.PixelData = stored.astype('<u2').tobytes()


def marked(grey):
    """Collimator edges, a side letter and the word SYNTHETIC, as lead letters lie on a film."""
    rows, columns = grey.shape
    k = phantom.fineness(grey)
    px = lambda whole: round(whole * k)
    frame = np.zeros_like(grey)
    frame[px(12):rows - px(12), px(16):columns - px(16)] = 1
    sheet = Image.new('L', (columns, rows))
    draw = ImageDraw.Draw(sheet)
    draw.text((px(40), px(26)), 'R', 255, ImageFont.load_default(34 * k))
    draw.text((columns - px(172), px(26)), 'SYNTHETIC', 255, ImageFont.load_default(22 * k))
    letters = np.asarray(sheet) / 255
    return np.maximum(grey * frame, .93 * letters)


def film(spec, number):
    grey = marked(phantom.render(spec['seed'], spec.get('patches', ()), spec.get('haze', 0), spec.get('bronchial', 0)))
    ds = base(DigitalXRayImageStorageForPresentation, 'chest', spec['series'], number, 'Synthetic^Phantom A', 'chest phantom, AP')
    ds.Modality, ds.PresentationIntentType = 'DX', 'FOR PRESENTATION'
    ds.SeriesDescription = spec['series']
    ds.SeriesNumber = 1 + sorted({f['series'] for f in FILMS}).index(spec['series'])
    ds.ImageType = ['DERIVED', 'PRIMARY', '']
    ds.DerivationDescription = 'Rendered from a geometric phantom; no acquisition'
    ds.PatientOrientation, ds.ViewPosition, ds.ImageLaterality = ['L', 'F'], 'AP', 'U'
    region = code('43799004', 'SCT', 'Thorax')
    ds.AnatomicRegionSequence = Sequence([region])
    view = code('399348003', 'SCT', 'antero-posterior')
    view.ViewModifierCodeSequence = Sequence([])
    ds.ViewCodeSequence = Sequence([view])
    ds.PositionerType = 'NONE'
    ds.DetectorType, ds.DetectorConfiguration = 'DIRECT', 'AREA'
    pitch = phantom.PX * 10
    ds.ImagerPixelSpacing = ds.PixelSpacing = [f'{pitch:.5f}'] * 2
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = 'LOG', 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = '0', '1', 'US'
    ds.PresentationLUTShape = 'IDENTITY'
    ds.AcquisitionContextSequence = Sequence([])
    # Stored values fill the middle of the 12 bits, so that the window matters.
    low, high = 300, 3700
    pixels(ds, np.round(low + grey * (high - low)), 12)
    ds.WindowCenter, ds.WindowWidth = [str((low + high) // 2), '1700'], [str(high - low), '2600']
    ds.WindowCenterWidthExplanation = ['NORMAL', 'LUNG']
    return ds


def ct_slice(number, count, g):
    """A slice of an elliptical chest in Hounsfield units: fat, muscle, lungs, heart, spine, ribs; 128 x 128, 3 mm pixels."""
    n, pitch = 128, 3.0
    y, x = (np.mgrid[:n, :n] - (n - 1) / 2) * pitch
    at = (number - 1) / (count - 1)
    ellipse = lambda cx, cy, rx, ry: ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1
    hu = np.full((n, n), -1000.0)
    hu[ellipse(0, 0, 160, 112)] = -95
    hu[ellipse(0, 0, 148, 100)] = 45
    grow = np.sin(np.pi * (.2 + .65 * at)) ** .5
    for side in (-1, 1):
        hu[ellipse(side * 66, 0, 54 * grow, 76 * grow)] = -840
        for angle in np.linspace(-1.15, 1.15, 6) + .12 * at:
            hu[ellipse(side * 132 * np.cos(angle), 88 * np.sin(angle), 9, 5)] = 420
    hu[ellipse(18, -24, 20 + 34 * at, 18 + 26 * at)] = 40
    hu[ellipse(-4, -12 + 6 * at, 13, 13)] = 180
    hu[ellipse(0, 2, 8, 9)] = -980 if at < .45 else 45
    hu[ellipse(0, 66, 22, 17)] = 260
    hu[ellipse(0, 66, 16, 12)] = 160
    hu[ellipse(0, 88, 9, 8)] = 20
    hu[ellipse(-78, 18, 9 * max(0, 1 - abs(at - .5) * 3), 9 * max(0, 1 - abs(at - .5) * 3)) if abs(at - .5) < .33 else np.zeros((n, n), bool)] = 30
    return hu + g.normal(0, 12, hu.shape)


def ct(number, count, g):
    ds = base(CTImageStorage, 'ct', 'axial', number, 'Synthetic^Phantom B', 'CT phantom, chest')
    ds.Modality, ds.SeriesNumber, ds.SeriesDescription = 'CT', 1, 'Phantom, axial 8 mm'
    ds.ImageType = ['DERIVED', 'PRIMARY', 'AXIAL']
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = uid('ct', 'frame'), ''
    ds.PatientPosition = 'HFS'
    ds.ImageOrientationPatient = ['1', '0', '0', '0', '1', '0']
    ds.ImagePositionPatient = ['-190.5', '-190.5', str(-8 * (number - 1))]
    ds.PixelSpacing, ds.SliceThickness, ds.SpacingBetweenSlices, ds.SliceLocation = ['3', '3'], '8', '8', str(-8 * (number - 1))
    ds.KVP, ds.AcquisitionNumber = '', 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = '-1024', '1', 'HU'
    pixels(ds, np.clip(np.round(ct_slice(number, count, g) + 1024), 0, 4095), 12)
    ds.WindowCenter, ds.WindowWidth, ds.WindowCenterWidthExplanation = ['40', '-600'], ['400', '1500'], ['SOFT TISSUE', 'LUNG']
    return ds


def write(ds, folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    ds.save_as(folder / name, enforce_file_format=True)


def main():
    for study in ('chest-synthetic', 'ct-synthetic'):
        shutil.rmtree(SAMPLES / study, ignore_errors=True)
    for number, spec in enumerate(FILMS, 1):
        write(film(spec, number), SAMPLES / 'chest-synthetic', f"{spec['name']}.dcm")
    g, count = np.random.default_rng(3), 10
    for number in range(1, count + 1):
        write(ct(number, count, g), SAMPLES / 'ct-synthetic', f'slice-{number:02d}.dcm')


def standard(images):
    """[N,H,W] -> [N,H*W], each row of zero mean and unit length, so that a dot product is a correlation."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def probabilities(name, images):
    """P(PNEUMONIA) of uint8 [N,224,224], one image at a time as the application does."""
    import onnxruntime as ort
    from train import MEAN, STD
    session = ort.InferenceSession(data.PACKAGE / name, providers=['CPUExecutionProvider'])
    x = (images[:, None].astype(np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
    logits = np.concatenate([session.run(['logits'], {'image': image[None]})[0] for image in x]).astype(np.float64)
    return 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))


def check():
    files = sorted((SAMPLES / 'chest-synthetic').glob('*.dcm'))
    small = []
    for path in files:
        ds = pydicom.dcmread(path)
        grey = ((ds.pixel_array.astype(np.float32) - (float(ds.WindowCenter[0]) - .5)) / (float(ds.WindowWidth[0]) - 1) + .5).clip(0, 1)
        small.append(np.asarray(Image.fromarray(grey).resize((data.SIZE, data.SIZE), Image.Resampling.BILINEAR)))
    codes = np.round(np.array(small) * 255).astype(np.uint8)
    train, _, _ = data.load('train')
    rows = standard(train)
    near = (standard(codes) @ rows.T).max(1)
    # How near training images are to one another, for scale: the nearest other image of every 20th.
    own = rows[::20] @ rows.T
    own[np.arange(len(own)), np.arange(0, len(rows), 20)] = -1
    usual = np.median(own.max(1))
    answers = [probabilities(n, codes) for n in ('model.onnx', 'model.int8.onnx')]
    lines = '\n'.join(f'| {path.name} | {n:.3f} | {a:.3f} | {b:.3f} |' for path, n, a, b in zip(files, near, *answers))
    (SAMPLES.parent / "SAMPLES.md").write_text(f"""# Samples

<!-- Written by `models/train/samples.py --check`. Do not edit. -->

Both studies are ours, made by `models/train/samples.py`; no pixel comes from a patient's image. Each header says so (PatientName
`Synthetic^Phantom ...`, QualityControlImage YES, ImageComments, StudyDescription), and each film carries the word SYNTHETIC.

- `chest-synthetic/`: four DX films of a rendered chest phantom (`models/train/phantom.py`: lengths of tissue, air and bone along rays, then
  exposure, scatter and grain). Two have clear lungs, two have opacities. Their shapes and strengths were set by eye, and so that the shipped
  classifier tells the two kinds apart: they show the program, they are no test of the classifier.
- `ct-synthetic/`: ten axial slices of an elliptical chest in Hounsfield units, for scrolling, windows and the warning for what is not a radiograph.

At 224 x 224 the nearest of the {len(train)} training images correlates with each film as below; a training image's nearest neighbour among the others
correlates at {usual:.3f} (median). The right columns are the shipped model's P(PNEUMONIA).

| film | nearest training image | fp32 | int8 |
|---|---|---|---|
{lines}

`dciodvfy` reports no error and no warning on any of the files.
""")


if __name__ == '__main__':
    check() if sys.argv[1:] == ['--check'] else main()
