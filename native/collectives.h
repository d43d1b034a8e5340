// See collectives.cpp.
#pragma once

#include "napi.h"

namespace xinghe {

void registerCollectives(napi_env env, napi_value exports, AddonState* addon);

}  // namespace xinghe
