// libtorch's headers name Gloo's types, the wheel ships no headers of Gloo. The folder declares what they name; nothing
// of it is ever made or looked into here, it is held by pointers only.
#pragma once

namespace gloo {

class Algorithm;

}  // namespace gloo
