// Compiled for the board alone: what a newer g++'s headers call and the libstdc++ of the oldest image (GLIBCXX_3.4.28) does not have.
// scripts/lib/symbols.mjs refuses a library that asks for more.
#include <new>

namespace std {

// Of GLIBCXX_3.4.29: where an allocator is asked for more than can be addressed.
__attribute__((visibility("hidden"))) void __throw_bad_array_new_length() { throw bad_array_new_length(); }

}  // namespace std
