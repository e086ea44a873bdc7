#!/bin/sh
# A package of models/ from the data to its card: sh make.sh pneumonia|pneumonia-28|resnet8-orientation|synthetic-opacities [cuda]
# Python with requirements.txt on the PATH, FABRICLENS_DATA as in README.md. What it takes is in README.md too.
set -e
name=${1:?name a package: pneumonia, pneumonia-28, resnet8-orientation or synthetic-opacities}
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
elif [ "$name" = synthetic-opacities ]; then
  device="--device ${2:-cpu}"
  made="$work/trained"
  python rendered.py learn "$made/learn"
  python rendered.py measure
  python detector.py --rendered "$made/learn" $device --out "$made/painted.pt"
  python detector.py --rendered "$made/learn" $device --start "$made/painted.pt" --lr 1e-3 --batch 32 --steps 1200 --out "$made/both.pt"
  python measure_detector.py prepare "$made/learn" "$work" "$made/painted.pt" "$made/both.pt"
else
  python small.py "$name" "$work"
  mv "$work/calibration.npy" "$work/calibration"
fi
cd ../..
compile() {
  node scripts/fabriclens.mjs compile "$work/model.onnx" --calibrate "$work/calibration" --samples 256 $method --metadata "models/train/about/$name.json" --out "$work/made/$name"
  mkdir -p "models/$name"
  cp "$work/made/$name"/* "models/$name"
  cp "$work"/*.json "models/$name"
  rm -r "$work/made"
}
compile
# A detector's program holds its threshold: where another one is chosen, once more.
npm run -s eval -- "$name" --decide || { compile; npm run -s eval -- "$name" --decide; }
rm -r "$work"
if [ "$name" = pneumonia ]; then (cd models/train && python guard.py); fi
if [ "$name" = synthetic-opacities ]; then (cd models/train && python measure_detector.py painted "../$name"); fi
npm run -s eval -- "$name" --record
