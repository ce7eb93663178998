#include "operators.h"

#include <ATen/ops/sort.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <vector>

namespace forgesyted {
namespace {

void check(const at::Tensor& boxes, const at::Tensor& scores) {
  TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 4, "nms: boxes are [N, 4], and these are ", boxes.sizes());
  TORCH_CHECK(scores.dim() == 1 && scores.size(0) == boxes.size(0), "nms: ", boxes.size(0), " boxes need as many scores, and these are ",
              scores.sizes());
  TORCH_CHECK(boxes.is_floating_point() && boxes.scalar_type() == scores.scalar_type(), "nms: boxes and scores are floats of one type, and these are ",
              boxes.scalar_type(), " and ", scores.scalar_type());
  TORCH_CHECK(boxes.device() == scores.device(), "nms: boxes are on ", boxes.device(), ", and scores on ", scores.device());
}

template <typename T>
struct Box {
  T x1, y1, x2, y2, area;
};

// In the type of the boxes throughout: another would move pairs across the threshold.
template <typename T>
bool overlap(const Box<T>& a, const Box<T>& b, double iou_threshold) {
  const T width = std::max(T(0), std::min(a.x2, b.x2) - std::max(a.x1, b.x1));
  const T height = std::max(T(0), std::min(a.y2, b.y2) - std::max(a.y1, b.y1));
  const T shared = width * height;
  // Two empty boxes divide 0 by 0, and no number is above the threshold: both stay.
  return shared / (a.area + b.area - shared) > iou_threshold;
}

template <typename T>
at::Tensor keep(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  const at::Tensor rows = boxes.contiguous();
  const at::Tensor order = std::get<1>(at::sort(scores, /*stable=*/true, /*dim=*/0, /*descending=*/true));
  const T* numbers = rows.const_data_ptr<T>();
  const int64_t* best_first = order.const_data_ptr<int64_t>();
  const int64_t count = rows.size(0);
  std::vector<Box<T>> kept;
  std::vector<int64_t> indices;
  for (int64_t at = 0; at < count; ++at) {
    const T* row = numbers + best_first[at] * 4;
    const Box<T> box{row[0], row[1], row[2], row[3], (row[2] - row[0]) * (row[3] - row[1])};
    if (std::none_of(kept.begin(), kept.end(), [&](const Box<T>& better) { return overlap(better, box, iou_threshold); })) {
      kept.push_back(box);
      indices.push_back(best_first[at]);
    }
  }
  return at::tensor(indices, boxes.options().dtype(at::kLong));
}

}  // namespace

at::Tensor nms_on_cpu(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  check(boxes, scores);
  if (boxes.scalar_type() == at::kDouble) {
    return keep<double>(boxes, scores, iou_threshold);
  }
  // Half precision has too few digits to compare areas in.
  return keep<float>(boxes.to(at::kFloat), scores.to(at::kFloat), iou_threshold);
}

at::Tensor nms_anywhere(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  check(boxes, scores);
  return nms_on_cpu(boxes.cpu(), scores.cpu(), iou_threshold).to(boxes.device());
}

}  // namespace forgesyted
