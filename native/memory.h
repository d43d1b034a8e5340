// Where tensors of the CPU get their memory while a loop allocates the same again and again, as training does.
#pragma once

namespace xinghe {

// One environment's wish that freed tensors leave their memory with the process, for the next ones. Memory is shared by
// all threads, so it is kept as long as any environment wishes so; the wish ends with its environment.
class FreedMemory {
 public:
  FreedMemory() = default;
  FreedMemory(const FreedMemory&) = delete;
  FreedMemory& operator=(const FreedMemory&) = delete;
  ~FreedMemory() { giveBack(); }

  void keep();
  // Ends the wish; what is free goes back to the system when it was the last one.
  void giveBack();

 private:
  bool keeps_ = false;
};

}  // namespace xinghe
