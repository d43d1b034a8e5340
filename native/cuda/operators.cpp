// Names our operators for CUDA devices to libtorch's dispatcher; cpu/operators.cpp has their schemas. Those that are not here run
// as they are composed of others.
#include "cuda/operators.h"

#include <torch/library.h>

namespace xinghe {

TORCH_LIBRARY_IMPL(xinghe, CUDA, library) {
  library.impl("rms_norm", cuda::rmsNorm);
  library.impl("rotary", cuda::rotary);
  library.impl("gated_activation", cuda::gatedActivation);
  library.impl("integer_linear", cuda::integerLinear);
  library.impl("integer_linears", cuda::integerLinears);
  library.impl("paged_attention", cuda::pagedAttention);
}

TORCH_LIBRARY_IMPL(xinghe, AutogradCUDA, library) {
  library.impl("rms_norm", cuda::rmsNormWithGraph);
  library.impl("rotary", cuda::rotaryWithGraph);
  library.impl("gated_activation", cuda::gatedActivationWithGraph);
  library.impl("integer_linear", cuda::integerLinearWithGraph);
}

}  // namespace xinghe
