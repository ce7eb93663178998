#include "operators.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace forgesyted {
namespace {

// Most samples along a side of a bin. Only boxes far larger than the picture ask for more.
constexpr int64_t MAX_SAMPLES = 1024;
// Numbers in an intermediate tensor of the form for any device, about.
constexpr int64_t CHUNK = 1 << 25;

struct Shape {
  double scale;
  int64_t pooled_height, pooled_width, sampling_ratio;
  bool aligned;
};

void check(const at::Tensor& input, const at::Tensor& rois, const Shape& shape) {
  TORCH_CHECK(input.dim() == 4, "roi_align: the input is [N, C, H, W], and this is ", input.sizes());
  TORCH_CHECK(rois.dim() == 2 && rois.size(1) == 5, "roi_align: rois are [K, 5], and these are ", rois.sizes());
  TORCH_CHECK(input.is_floating_point() && input.scalar_type() == rois.scalar_type(), "roi_align: input and rois are floats of one type, and these are ",
              input.scalar_type(), " and ", rois.scalar_type());
  TORCH_CHECK(input.device() == rois.device(), "roi_align: the input is on ", input.device(), ", and rois on ", rois.device());
  TORCH_CHECK(shape.pooled_height > 0 && shape.pooled_width > 0, "roi_align: the output size is above 0, and this is ", shape.pooled_height, "x",
              shape.pooled_width);
  TORCH_CHECK(shape.sampling_ratio <= MAX_SAMPLES, "roi_align: sampling_ratio is at most ", MAX_SAMPLES, ", and this is ", shape.sampling_ratio);
  TORCH_CHECK(rois.size(0) == 0 || input.numel() > 0, "roi_align: there are rois, and an empty input ", input.sizes());
}

int64_t picture_of(double index, int64_t pictures) {
  TORCH_CHECK(index >= 0 && index < static_cast<double>(pictures), "roi_align: a roi names picture ", index, " of ", pictures);
  return static_cast<int64_t>(index);
}

template <typename T>
int64_t samples(T extent, int64_t pooled, int64_t sampling_ratio) {
  if (sampling_ratio > 0) {
    return sampling_ratio;
  }
  const T wanted = std::ceil(extent / static_cast<T>(pooled));
  TORCH_CHECK(!(wanted > static_cast<T>(MAX_SAMPLES)), "roi_align: a roi takes ", wanted, " samples along a bin, and at most ", MAX_SAMPLES, " are taken");
  // A box of no extent, or of none that is a number, has no samples.
  return wanted > 0 ? static_cast<int64_t>(wanted) : 0;
}

// Where one sample lies along one axis: two cells and their weights; both weights are 0 outside of the input.
template <typename T>
struct Tap {
  int64_t low, high;
  T low_weight, high_weight;
};

// The samples along one axis of a box from `start` to `end`, bin after bin.
template <typename T>
std::vector<Tap<T>> taps(T start, T end, int64_t cells, int64_t pooled, const Shape& shape, int64_t* per_bin) {
  const T extent = shape.aligned ? end - start : std::max(end - start, T(1));
  const T bin = extent / static_cast<T>(pooled);
  *per_bin = samples(extent, pooled, shape.sampling_ratio);
  std::vector<Tap<T>> all;
  all.reserve(static_cast<size_t>(pooled * *per_bin));
  for (int64_t at = 0; at < pooled; ++at) {
    for (int64_t sample = 0; sample < *per_bin; ++sample) {
      T place = start + static_cast<T>(at) * bin + (static_cast<T>(sample) + T(0.5)) * bin / static_cast<T>(*per_bin);
      // Written so that a place that is no number is outside too.
      if (!(place >= T(-1) && place <= static_cast<T>(cells))) {
        all.push_back({0, 0, T(0), T(0)});
        continue;
      }
      place = std::max(place, T(0));
      const int64_t low = std::min(static_cast<int64_t>(place), cells - 1);
      if (low == cells - 1) {
        all.push_back({low, low, T(1), T(0)});
      } else {
        const T above = place - static_cast<T>(low);
        all.push_back({low, low + 1, T(1) - above, above});
      }
    }
  }
  return all;
}

template <typename T>
at::Tensor align(const at::Tensor& input, const at::Tensor& rois, const Shape& shape) {
  const int64_t pictures = input.size(0), channels = input.size(1), height = input.size(2), width = input.size(3);
  const int64_t count = rois.size(0), bins_y = shape.pooled_height, bins_x = shape.pooled_width;
  at::Tensor output = at::empty({count, channels, bins_y, bins_x}, input.options());
  const at::Tensor cells = input.contiguous(), rows = rois.contiguous();
  const T* from = cells.const_data_ptr<T>();
  const T* row = rows.const_data_ptr<T>();
  T* to = output.mutable_data_ptr<T>();
  const T scale = static_cast<T>(shape.scale), offset = shape.aligned ? T(0.5) : T(0);
  for (int64_t roi = 0; roi < count; ++roi, row += 5) {
    const T* plane = from + picture_of(static_cast<double>(row[0]), pictures) * channels * height * width;
    int64_t per_y = 0, per_x = 0;
    const auto x = taps<T>(row[1] * scale - offset, row[3] * scale - offset, width, bins_x, shape, &per_x);
    const auto y = taps<T>(row[2] * scale - offset, row[4] * scale - offset, height, bins_y, shape, &per_y);
    const T samples_of_bin = static_cast<T>(std::max<int64_t>(per_y * per_x, 1));
    for (int64_t channel = 0; channel < channels; ++channel, plane += height * width) {
      for (int64_t bin_y = 0; bin_y < bins_y; ++bin_y) {
        for (int64_t bin_x = 0; bin_x < bins_x; ++bin_x) {
          T sum = 0;
          for (int64_t sample_y = 0; sample_y < per_y; ++sample_y) {
            const Tap<T>& v = y[static_cast<size_t>(bin_y * per_y + sample_y)];
            const T* low = plane + v.low * width;
            const T* high = plane + v.high * width;
            for (int64_t sample_x = 0; sample_x < per_x; ++sample_x) {
              const Tap<T>& h = x[static_cast<size_t>(bin_x * per_x + sample_x)];
              sum += v.low_weight * h.low_weight * low[h.low] + v.low_weight * h.high_weight * low[h.high] +
                     v.high_weight * h.low_weight * high[h.low] + v.high_weight * h.high_weight * high[h.high];
            }
          }
          *to++ = sum / samples_of_bin;
        }
      }
    }
  }
  return output;
}

// Bilinear sampling is a product of one matrix per axis: here [K, pooled, cells], the weight that each cell has in each bin.
at::Tensor weights(const at::Tensor& start, const at::Tensor& end, int64_t cells, int64_t pooled, const Shape& shape) {
  const auto options = start.options();
  const at::Tensor extent = shape.aligned ? end - start : (end - start).clamp_min(1);
  const at::Tensor bin = extent / pooled;
  int64_t most = shape.sampling_ratio;
  at::Tensor per_bin = at::full_like(bin, most);
  if (shape.sampling_ratio <= 0) {
    per_bin = bin.ceil().nan_to_num(0).clamp_min(0);
    const double wanted = per_bin.max().item<double>();
    TORCH_CHECK(wanted <= MAX_SAMPLES, "roi_align: a roi takes ", wanted, " samples along a bin, and at most ", MAX_SAMPLES, " are taken");
    most = static_cast<int64_t>(wanted);
  }
  // [K, pooled, samples]; a box that takes fewer samples than the largest leaves the last ones out.
  const at::Tensor sample = at::arange(most, options).view({1, 1, most}), taken = per_bin.view({-1, 1, 1});
  const at::Tensor start_of_bin = start.view({-1, 1}) + at::arange(pooled, options) * bin.view({-1, 1});
  const at::Tensor place = start_of_bin.unsqueeze(2) + (sample + 0.5) * bin.view({-1, 1, 1}) / taken;
  const at::Tensor counts = (sample < taken).logical_and(place >= -1).logical_and(place <= cells);
  const at::Tensor inside = place.nan_to_num(0).clamp(0, cells - 1).unsqueeze(3);
  const at::Tensor tent = (1 - (inside - at::arange(cells, options)).abs()).clamp_min(0);
  return (tent * counts.unsqueeze(3)).sum(2) / taken.clamp_min(1);
}

}  // namespace

at::Tensor roi_align_on_cpu(const at::Tensor& input, const at::Tensor& rois, double spatial_scale, int64_t pooled_height,
                            int64_t pooled_width, int64_t sampling_ratio, bool aligned) {
  const Shape shape{spatial_scale, pooled_height, pooled_width, sampling_ratio, aligned};
  check(input, rois, shape);
  if (input.scalar_type() == at::kDouble) {
    return align<double>(input, rois, shape);
  }
  return align<float>(input.to(at::kFloat), rois.to(at::kFloat), shape).to(input.scalar_type());
}

at::Tensor roi_align_anywhere(const at::Tensor& input, const at::Tensor& rois, double spatial_scale, int64_t pooled_height,
                              int64_t pooled_width, int64_t sampling_ratio, bool aligned) {
  const Shape shape{spatial_scale, pooled_height, pooled_width, sampling_ratio, aligned};
  check(input, rois, shape);
  const auto kind = input.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const int64_t channels = input.size(1), height = input.size(2), width = input.size(3);
  at::Tensor output = at::empty({rois.size(0), channels, pooled_height, pooled_width}, input.options());
  const at::Tensor numbers = rois.to(kind);
  const at::Tensor indices = numbers.select(1, 0).cpu();
  std::vector<std::vector<int64_t>> of_picture(static_cast<size_t>(input.size(0)));
  for (int64_t roi = 0; roi < rois.size(0); ++roi) {
    of_picture[static_cast<size_t>(picture_of(indices[roi].item<double>(), input.size(0)))].push_back(roi);
  }
  const int64_t step = std::max<int64_t>(CHUNK / std::max<int64_t>(pooled_height * channels * width, 1), 1);
  for (size_t picture = 0; picture < of_picture.size(); ++picture) {
    if (of_picture[picture].empty()) {
      continue;
    }
    // [H, C x W]: one product takes the rows of all boxes of a picture.
    const at::Tensor cells = input[static_cast<int64_t>(picture)].to(kind).permute({1, 0, 2}).reshape({height, channels * width});
    const at::Tensor all = at::tensor(of_picture[picture], at::kLong).to(input.device());
    for (const at::Tensor& chosen : all.split(step)) {
      const at::Tensor boxes = numbers.index_select(0, chosen).slice(1, 1) * spatial_scale - (aligned ? 0.5 : 0.0);
      const at::Tensor by_x = weights(boxes.select(1, 0), boxes.select(1, 2), width, pooled_width, shape);
      const at::Tensor by_y = weights(boxes.select(1, 1), boxes.select(1, 3), height, pooled_height, shape);
      const int64_t count = chosen.size(0);
      const at::Tensor rows = at::matmul(by_y.reshape({count * pooled_height, height}), cells);
      const at::Tensor bins = at::matmul(rows.view({count, pooled_height * channels, width}), by_x.transpose(1, 2));
      const at::Tensor pooled = bins.view({count, pooled_height, channels, pooled_width}).permute({0, 2, 1, 3});
      output.index_copy_(0, chosen, pooled.to(input.scalar_type()));
    }
  }
  return output;
}

}  // namespace forgesyted
