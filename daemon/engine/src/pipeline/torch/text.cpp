// A module's string where it lies, with its length. torch-sys, which reads the other values, counts a string in an `int`, which
// is wrong from 2 GiB on, and copies it up to its first NUL.

#include <ATen/core/ivalue.h>

#include <cstddef>

// The bytes belong to the value and live as long as it. Null where it is no string.
extern "C" const char* forgesyted_text(const c10::IValue* value, size_t* length) noexcept {
  if (!value->isString()) {
    *length = 0;
    return nullptr;
  }
  const std::string& text = value->toStringRef();
  *length = text.size();
  return text.data();
}
