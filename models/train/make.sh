#!/bin/sh
# A package of models/ from the data to its card: sh make.sh pneumonia|pneumonia-28|resnet8-orientation [cuda]
# Python with requirements.txt on the PATH, FABRICLENS_DATA as in README.md. What it takes is in README.md too.
set -e
name=${1:?name a package: pneumonia, pneumonia-28 or resnet8-orientation}
cd "$(dirname "$0")"
work=$(mktemp -d)
mkdir "$work/calibration"
method=
if [ "$name" = pneumonia ]; then
  sh train.sh "${2:-cpu}"
  python export.py student*.pt
  python seeds.py student*.pt
  # The other methods cut the tails off: a little nearer on films, less near on images unlike them.
  method='--method minmax'
  python calibration.py "$work/films"
  mv "$work/films"/* "$work/calibration"
  cp ../pneumonia/model.onnx ../pneumonia/training.json "$work"
  cp ../pneumonia/seeds.json "$work"
else
  python small.py "$name" "$work"
  mv "$work/calibration.npy" "$work/calibration"
fi
cd ../..
node scripts/fabriclens.mjs compile "$work/model.onnx" --calibrate "$work/calibration" --samples 256 $method --metadata "models/train/about/$name.json" --out "$work/made/$name"
mkdir -p "models/$name"
cp "$work/made/$name"/* "models/$name"
cp "$work"/*.json "models/$name"
rm -r "$work"
npm run -s eval -- "$name" --decide
if [ "$name" = pneumonia ]; then (cd models/train && python guard.py); fi
npm run -s eval -- "$name" --record
