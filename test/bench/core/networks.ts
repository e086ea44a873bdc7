/** The networks that the core's bench runs, and what is published of them. */
import { random } from '../../support/qdq.ts';
import type { Network } from './builder.ts';
import { resnet20v2, resnet8 } from './cifar.ts';
import { mobilenetv2 } from './mobilenetv2.ts';
import { resnet18 } from './resnet18.ts';
import { tinyYolov3 } from './tiny-yolov3.ts';
import { yolov5s } from './yolov5s.ts';

/** What is measured of a network. */
export type Benched = Pick<Network, 'name' | 'program' | 'layers' | 'macs' | 'input'>;
export type BenchNetwork<Made extends Benched = Network> = {
  /** On the command line. */
  readonly id: string;
  readonly make: () => Made;
  /** Multiply-accumulates in millions as published, where they are. */
  readonly mmac?: number;
  /** Takes minutes to simulate. */
  readonly long?: true;
  /** Runs only where it is named. */
  readonly extra?: true;
};

export const NETWORKS: readonly BenchNetwork[] = [
  { id: 'resnet8', make: resnet8, mmac: 12.5 },
  { id: 'resnet20v2', make: resnet20v2 },
  { id: 'mobilenetv2', make: mobilenetv2, mmac: 301 },
  { id: 'resnet18', make: () => resnet18(), mmac: 1814 },
  { id: 'tiny-yolov3', make: () => tinyYolov3(), mmac: 2782 },
  { id: 'yolov5s', make: () => yolov5s(), mmac: 8217, long: true },
  { id: 'yolov5s-s2d', make: () => yolov5s({ stem: 's2d' }), mmac: 8217, long: true, extra: true },
  { id: 'resnet18-half', make: () => resnet18({ width: 0.5, image: 1, classes: 2 }), mmac: 444, extra: true },
];

/** Random codes for a network's input. */
export function inputOf({ input: [height, width, channels] }: Pick<Network, 'input'>, seed: number): Int8Array {
  const next = random(seed);
  return Int8Array.from({ length: height * width * channels }, () => Math.floor(next() * 256) - 128);
}
