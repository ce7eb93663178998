// Registers the operators with libtorch's dispatcher, where TorchScript finds them.

#include "operators.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <algorithm>
#include <cstring>
#include <exception>

namespace {

// A call, and not a static initialiser: libraries that the configuration names are opened before, and one of them may be
// torchvision's own, which could not be opened after us: no operator can be defined twice.
void register_all() {
  const auto absent = [](const char* name) { return !c10::Dispatcher::singleton().findSchema({name, ""}).has_value(); };
  // Registrations last as long as this object, so it is never destroyed.
  static auto* const torchvision = new torch::Library(torch::Library::FRAGMENT, "torchvision", std::nullopt, __FILE__, __LINE__);
  if (absent("torchvision::nms")) {
    torchvision->def("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor");
    torchvision->impl("nms", torch::dispatch(c10::DispatchKey::CPU, TORCH_FN(forgesyted::nms_on_cpu)));
    torchvision->impl("nms", torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, TORCH_FN(forgesyted::nms_anywhere)));
  }
  if (absent("torchvision::roi_align")) {
    torchvision->def(
        "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int "
        "sampling_ratio, bool aligned) -> Tensor");
    torchvision->impl("roi_align", torch::dispatch(c10::DispatchKey::CPU, TORCH_FN(forgesyted::roi_align_on_cpu)));
    torchvision->impl("roi_align",
                      torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, TORCH_FN(forgesyted::roi_align_anywhere)));
  }
  // The forms for any device under names of our own, so that tests can compare them with the others on a CPU.
  static auto* const own = new torch::Library(torch::Library::FRAGMENT, "forgesyted", std::nullopt, __FILE__, __LINE__);
  if (absent("forgesyted::nms_anywhere")) {
    own->def("nms_anywhere(Tensor dets, Tensor scores, float iou_threshold) -> Tensor", TORCH_FN(forgesyted::nms_anywhere));
    own->def(
        "roi_align_anywhere(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, int "
        "sampling_ratio, bool aligned) -> Tensor",
        TORCH_FN(forgesyted::roi_align_anywhere));
  }
}

}  // namespace

// Registers what is not there yet. Returns whether it could; if not, a NUL-terminated sentence of at most `capacity` bytes is in
// `message`. Not for two threads at once.
extern "C" bool forgesyted_register_operators(char* message, size_t capacity) {
  try {
    register_all();
    return true;
  } catch (const std::exception& error) {
    if (capacity > 0) {
      const size_t length = std::min(std::strlen(error.what()), capacity - 1);
      std::memcpy(message, error.what(), length);
      message[length] = '\0';
    }
    return false;
  } catch (...) {
    if (capacity > 0) {
      message[0] = '\0';
    }
    return false;
  }
}
