/** From raw network outputs to what a reader is shown. */
import type { ClassMaps } from '../contract/engine.ts';
import { EngineError, type Features } from '../engines/index.ts';

/** Probabilities, one a class: softmax over the classes, or a sigmoid for each on its own. */
export function probabilities(logits: ArrayLike<number>, activation: 'softmax' | 'sigmoid'): number[] {
  const values = Array.from(logits);
  if (activation === 'sigmoid') return values.map((v) => (v >= 0 ? 1 / (1 + Math.exp(-v)) : Math.exp(v) / (1 + Math.exp(v))));
  const top = Math.max(...values);
  const powers = values.map((v) => Math.exp(v - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

/**
 * Class-activation maps (Zhou et al., "Learning Deep Features for Discriminative Localization", 2016): map[c] = Σ_k weights[c][k] · features[k],
 * in logit units. Their mean over the map is the class's logit less its bias. Throws EngineError `model-mismatch` when the weights are for
 * another number of channels.
 */
export function classMaps({ data, channels, rows, columns }: Features, weights: readonly (readonly number[])[]): ClassMaps {
  const size = rows * columns;
  const maps = weights.map((row) => {
    if (row.length !== channels) throw new EngineError('model-mismatch', `The heat map weights are for ${row.length} channels, the feature map has ${channels}.`);
    const map = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      let sum = 0;
      for (let k = 0; k < channels; k++) sum += row[k]! * data[k * size + i]!;
      map[i] = sum;
    }
    return map;
  });
  return { rows, columns, maps };
}
