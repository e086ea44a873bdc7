#!/bin/sh
# The shipped model: three teachers, then a student a seed: student1.pt ... student5.pt. sh train.sh [cuda]
set -e
device=${1:-cpu}
teachers=
for seed in 11 12 13; do
  python -u train.py --device "$device" --architecture teacher --plan 128x54,160x27,224x21 --batch 128 --lr 2e-3 --seed $seed --out teacher$seed.pt
  teachers="$teachers teacher$seed.pt"
done
for seed in 1 2 3 4 5; do
  python -u train.py --device "$device" --teachers $teachers --plan 128x46,160x22,224x18 --batch 128 --lr 3e-3 --seed $seed --out student$seed.pt
done
