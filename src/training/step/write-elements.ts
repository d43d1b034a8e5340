/** Values into a part of a parameter. */
import { scope, type Tensor } from '../../tensor/index.js';

/** @param start the first element that they take, counted row by row */
export function writeElements(parameter: Tensor, values: Tensor, start: number): void {
  if (values.numElements === parameter.numElements) parameter.copy_(values);
  else
    scope(() =>
      parameter
        .detach()
        .view([parameter.numElements])
        .narrow(0, start, values.numElements)
        .copy_(values.reshape([values.numElements])),
    );
}
