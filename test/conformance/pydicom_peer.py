"""What pydicom makes of files: `pydicom_peer.py JOBS`, JOBS being JSON of [{"path", "frames", "out"}]; prints JSON of one answer a job.
Stored values go to OUT.N.stored (little endian, their numpy type in the answer), 8-bit display values to OUT.N.shown."""
import json
import sys
import warnings

import numpy
import pydicom
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, pixel_array

warnings.simplefilter("ignore")

MACROS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")
TEXT = {"PN", "LO", "SH", "ST", "LT", "UC", "UT"}


def of_frame(ds, n):
    """The attributes of a frame in one place: those of its functional groups beside the data set's own."""
    flat = pydicom.Dataset()
    for name in ("PhotometricInterpretation", "BitsStored", "BitsAllocated", "PixelRepresentation", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction"):
        if name in ds and ds.get(name) not in (None, ""):
            setattr(flat, name, ds.get(name))
    for groups, index in (("SharedFunctionalGroupsSequence", 0), ("PerFrameFunctionalGroupsSequence", n)):
        sequence = ds.get(groups)
        if sequence is None or len(sequence) <= index:
            continue
        for macro in MACROS:
            for item in sequence[index].get(macro, [])[:1]:
                for element in item:
                    flat.add(element)
    return flat


def grey(ds, n, stored):
    flat = of_frame(ds, n)
    values = apply_modality_lut(stored, flat)
    if "WindowCenter" in flat and "WindowWidth" in flat:
        if "BitsStored" not in flat:
            flat.BitsStored, flat.BitsAllocated, flat.PixelRepresentation = 16, 16, 0
        out = apply_voi_lut(values, flat, 0, prefer_lut=False)
        if "ModalityLUTSequence" in flat:
            low, high = 0, 2 ** int(flat.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
        else:
            low, high = (0, 2**flat.BitsStored - 1) if flat.PixelRepresentation == 0 else (-(2 ** (flat.BitsStored - 1)), 2 ** (flat.BitsStored - 1) - 1)
            if "RescaleSlope" in flat:
                low, high = [v * float(flat.RescaleSlope) + float(flat.RescaleIntercept) for v in (low, high)]
    elif "VOILUTSequence" in flat:
        out = apply_voi_lut(values, flat, 0)
        low, high = 0, 2 ** int(flat.VOILUTSequence[0].LUTDescriptor[2]) - 1
    else:
        out = values.astype("float64")
        padding = ds.get("PixelPaddingValue")
        seen = out[stored != padding] if padding is not None and (stored != padding).any() else out
        low, high = float(seen.min()), float(seen.max())
    unit = numpy.clip((out.astype("float64") - low) / ((high - low) or 1), 0, 1)
    if ds.PhotometricInterpretation == "MONOCHROME1" or ds.get("PresentationLUTShape") == "INVERSE":
        unit = 1 - unit
    return numpy.floor(unit * 255 + 0.5).astype("uint8")


def colour(ds, shown):
    bits = ds.BitsStored
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        shown = apply_color_lut(shown, ds)
        bits = shown.dtype.itemsize * 8
        return (shown >> (bits - 8)).astype("uint8") if bits > 8 else shown.astype("uint8")
    return numpy.floor(shown.astype("float64") * 255 / (2**bits - 1) + 0.5).clip(0, 255).astype("uint8") if bits != 8 else shown.astype("uint8")


def texts(ds, path):
    for element in ds:
        tag = int(element.tag)
        if element.VR == "SQ":
            for index, item in enumerate(element.value):
                yield from texts(item, [*path, tag, {"item": index}])
        elif element.VR in TEXT:
            value = element.value
            values = value if isinstance(value, pydicom.multival.MultiValue) else [value]
            yield {"path": path, "tag": tag, "vr": element.VR, "value": "\\".join("" if v is None else str(v) for v in values)}


def answer(job):
    try:
        ds = pydicom.dcmread(job["path"], force=True)
    except Exception as error:  # whatever pydicom raises is its answer
        return {"error": repr(error)[:200]}
    result = {"frames": {}}
    try:
        result["texts"] = list(texts(ds, []))
    except Exception as error:
        result["texts"] = None
        result["textError"] = repr(error)[:200]
    for n in job["frames"]:
        one = result["frames"][str(n)] = {}
        try:
            raw = pixel_array(ds, index=n, raw=True)
            one["type"] = raw.dtype.newbyteorder("=").name
            numpy.ascontiguousarray(raw.astype(raw.dtype.newbyteorder("<"))).tofile(f"{job['out']}.{n}.stored")
            shown = grey(ds, n, raw) if ds.get("SamplesPerPixel", 1) == 1 and ds.PhotometricInterpretation != "PALETTE COLOR" else colour(ds, pixel_array(ds, index=n))
            shown.tofile(f"{job['out']}.{n}.shown")
            one["shown"] = True
        except Exception as error:
            one["error"] = repr(error)[:200]
    return result


print(json.dumps([answer(job) for job in json.load(open(sys.argv[1], encoding="utf-8"))]))
