// Operations for photos: crop with resampling, hue, blur.
#pragma once

#include "image_desk.h"

namespace fewlabels {

// a: x0, y0, x1, y1 (whole, in the picture; x1 and y1 are outside), filter (0 = bilinear, 1 = bicubic), 1 = mirrored.
// The box becomes a picture of height x width; holes become picture.
void resized_crop(Desk& desk, const double* a, int64_t height, int64_t width);

// Turns the hue by shift / 256 of a circle; nothing on one channel.
void hue(Desk& desk, int shift);

// Gaussian of this deviation in pixels, cut off after three deviations; the border is reflected.
void blur(Desk& desk, double sigma);

}  // namespace fewlabels
