/** What a float operator is made from. */
import { CompileError } from './error.ts';
import type { FloatBuilder } from './float-builder.ts';
import type { FloatTensor } from './graph.ts';
import type { OnnxNode } from './onnx.ts';

/** A node and its operands, each as fp32 values or as constant numbers. */
export type FloatNode = {
  readonly node: OnnxNode;
  readonly build: FloatBuilder;
  readonly has: (index: number) => boolean;
  /** An operand's fp32 values. @throws CompileError where it has none */
  readonly input: (index: number) => FloatTensor;
  /** A constant's numbers. @throws CompileError where the operand is none, or has more than a million */
  readonly numbers: (index: number) => number[];
  /** A constant's dimensions. */
  readonly dims: (index: number) => readonly number[];
};
/** One value, or one for each of the node's outputs. */
export type FloatOperator = (given: FloatNode) => FloatTensor | FloatTensor[];

export function axisOf(node: OnnxNode, axis: number, rank: number): number {
  const counted = axis < 0 ? axis + rank : axis;
  if (!Number.isSafeInteger(axis) || counted < 0 || counted >= rank) throw new CompileError(`${node.opType} names axis ${axis} of ${rank}.`, node.name);
  return counted;
}
