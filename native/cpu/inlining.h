// For what is small and called in every step of a loop, and must be inlined: a file for newer processors may leave none of it to others.
#pragma once

#define XINGHE_INLINE __attribute__((always_inline)) inline
