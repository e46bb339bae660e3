// What execve(2) laid down at the top of a program's stack, read again later.
#pragma once

#include "kernel/base/vector.h"
#include "kernel/mm/address_space.h"

namespace narwhal {

// The auxiliary vector, its last pair of zeros included (getauxval(3)). EIO when the program has
// unmapped it; ENOMEM.
Result<Vector<u64>> auxiliary_vector(AddressSpace& memory);

}  // namespace narwhal
