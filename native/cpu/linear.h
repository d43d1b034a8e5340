// Which library multiplies the float32 matrices of xinghe::linear on the CPU, for each of its three products.
#pragma once

namespace xinghe {

// true: oneDNN, false: the BLAS that libtorch takes by itself. Holds for the whole process.
struct LinearRoutes {
  bool forward = false;
  bool gradInput = false;
  bool gradWeight = false;
};

void setLinearRoutes(LinearRoutes routes);
LinearRoutes linearRoutes();

}  // namespace xinghe
