// Where tensors of the CPU get their memory while a loop allocates the same again and again, as training does.
#pragma once

namespace xinghe {

// From now on freed tensors leave their memory with the process, for the next ones. Holds for the whole process.
void keepFreedTensorMemory();

// Ends it, and gives back what is free.
void returnFreedTensorMemory();

}  // namespace xinghe
