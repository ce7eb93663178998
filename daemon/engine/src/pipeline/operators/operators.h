// The two operators of torchvision that its scripted detectors call, as plain functions. torchvision's documentation says
// what they mean: https://docs.pytorch.org/vision/stable/ops.html. Every function checks what it is given and throws
// c10::Error, which the caller turns into a sentence.
#pragma once

#include <ATen/core/Tensor.h>

namespace forgesyted {

// Indices (int64) of the boxes that stay, best score first: a box goes when it overlaps a better one that stays by more than
// `iou_threshold`. `boxes` is [N, 4] (x1, y1, x2, y2), `scores` [N]. Of equal scores, the earlier box is the better one.
at::Tensor nms_on_cpu(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold);

// The same for any device: which boxes stay depends on those before, so the few numbers go to the CPU and the indices back.
at::Tensor nms_anywhere(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold);

// Cuts [K, C, pooled_height, pooled_width] out of `input` [N, C, H, W]: each of the K boxes `rois` [K, 5] (index of the picture,
// x1, y1, x2, y2, times `spatial_scale` in cells of the input) is divided into bins, and a bin is the mean of
// `sampling_ratio` x `sampling_ratio` bilinear samples; with 0 or less, as many as the bin has cells. `aligned` takes half
// a cell off each coordinate.
at::Tensor roi_align_on_cpu(const at::Tensor& input, const at::Tensor& rois, double spatial_scale, int64_t pooled_height,
                            int64_t pooled_width, int64_t sampling_ratio, bool aligned);

// The same by tensor operators alone, for any device.
at::Tensor roi_align_anywhere(const at::Tensor& input, const at::Tensor& rois, double spatial_scale, int64_t pooled_height,
                              int64_t pooled_width, int64_t sampling_ratio, bool aligned);

}  // namespace forgesyted
