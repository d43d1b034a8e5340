/**
 * y = x W^T with a matrix for each expert: the rows lie sorted by expert, and a matrix without rows is not read.
 *
 * Shapes: N rows, G experts, I input features, O output features.
 */
import { operator, type Tensor } from '../tensor/index.js';
import { Module, parameter } from './module.js';

const groupedLinear = operator('xinghe::grouped_linear');

export class GroupedLinear extends Module {
  weight: Tensor; // [G, O, I]

  constructor(groups: number, inFeatures: number, outFeatures: number) {
    super();
    this.weight = parameter(groups, outFeatures, inFeatures);
  }

  /** @param x [N, I], sorted by expert @param counts int64 [G], rows of each expert @returns [N, O] */
  forward(x: Tensor, counts: Tensor): Tensor {
    return groupedLinear(x, this.weight, counts);
  }
}
