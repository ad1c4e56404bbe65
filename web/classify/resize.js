/**
 * Brings a decoded picture to the size of the network as libvips does (and so `fewlabels predict`): whole-number averages first where
 * the picture is much larger, then Lanczos with three lobes, widened to the reduction, rows before columns, 8 bits between.
 */

/** @typedef {{ data: Uint8ClampedArray | Uint8Array, width: number, height: number }} Rgb three bytes a pixel */

/** RGBA on white -> RGB. @param {Uint8ClampedArray} rgba @param {number} width @param {number} height @returns {Rgb} */
export function flatten(rgba, width, height) {
  const data = new Uint8ClampedArray(width * height * 3);
  for (let i = 0, o = 0; i < rgba.length; i += 4, o += 3) {
    const a = rgba[i + 3] / 255;
    for (let c = 0; c < 3; c++) data[o + c] = rgba[i + c] * a + 255 * (1 - a);
  }
  return { data, width, height };
}

/**
 * @param {Rgb} picture
 * @param {number} size height and width wanted
 * @param {"crop" | "pad" | "stretch"} fit
 * @param {boolean} jpeg JPEGs are averaged while they are decoded, by 2, 4 or 8
 * @returns {Float32Array} `[3, size, size]`, 0..255
 */
export function toNetwork(picture, size, fit, jpeg) {
  const { width, height } = picture;
  const [fx, fy] = [width / size, height / size];
  const one = fit === "stretch" ? undefined : fit === "crop" ? Math.min(fx, fy) : Math.max(fx, fy);
  const target = {
    width: one === undefined ? size : Math.max(1, Math.round(width / one)),
    height: one === undefined ? size : Math.max(1, Math.round(height / one)),
  };
  let now = picture;
  if (jpeg) {
    const shrink = Math.min(width / target.width, height / target.height);
    const step = shrink >= 8 ? 8 : shrink >= 4 ? 4 : shrink >= 2 ? 2 : 1;
    now = boxed(now, step, step);
  }
  // libvips averages whole blocks first, until a factor of two is left for the filter.
  const whole = (/** @type {number} */ factor) => Math.max(1, Math.floor(factor / 2));
  now = boxed(now, whole(now.width / target.width), whole(now.height / target.height));
  const resized = columns(rows(now, target.height), target.width);
  return centered(resized, size);
}

/** Averages of blocks; at the right and lower edge of what is left. @param {Rgb} p @param {number} bx @param {number} by @returns {Rgb} */
function boxed({ data, width, height }, bx, by) {
  if (bx === 1 && by === 1) return { data, width, height };
  const [w, h] = [Math.ceil(width / bx), Math.ceil(height / by)];
  const out = new Uint8ClampedArray(w * h * 3);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const [x1, y1] = [Math.min(width, (x + 1) * bx), Math.min(height, (y + 1) * by)];
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let v = y * by; v < y1; v++) for (let u = x * bx; u < x1; u++) sum += data[(v * width + u) * 3 + c];
        out[(y * w + x) * 3 + c] = sum / ((x1 - x * bx) * (y1 - y * by));
      }
    }
  }
  return { data: out, width: w, height: h };
}

/** @param {number} x */
function lanczos(x) {
  if (x === 0) return 1;
  if (Math.abs(x) >= 3) return 0;
  const p = Math.PI * x;
  return (3 * Math.sin(p) * Math.sin(p / 3)) / (p * p);
}

/** For each output position the first input position and the weights, which sum to 1. @param {number} from @param {number} to */
function filters(from, to) {
  const factor = from / to;
  const stretch = Math.max(1, factor);
  const reach = Math.ceil(3 * stretch);
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * factor - 0.5;
    const first = Math.floor(center) - reach + 1;
    const weights = Float64Array.from({ length: 2 * reach }, (_, k) => lanczos((first + k - center) / stretch));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((w) => w / sum) };
  });
}

/** @param {Rgb} p @param {number} to @returns {Rgb} */
function rows({ data, width, height }, to) {
  if (height === to) return { data, width, height };
  const out = new Uint8ClampedArray(width * to * 3);
  filters(height, to).forEach(({ first, weights }, y) => {
    for (let i = 0; i < width * 3; i++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) {
        sum += weights[k] * data[Math.min(height - 1, Math.max(0, first + k)) * width * 3 + i];
      }
      out[y * width * 3 + i] = sum;
    }
  });
  return { data: out, width, height: to };
}

/** @param {Rgb} p @param {number} to @returns {Rgb} */
function columns({ data, width, height }, to) {
  if (width === to) return { data, width, height };
  const out = new Uint8ClampedArray(to * height * 3);
  filters(width, to).forEach(({ first, weights }, x) => {
    for (let y = 0; y < height; y++) {
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) {
          sum += weights[k] * data[(y * width + Math.min(width - 1, Math.max(0, first + k))) * 3 + c];
        }
        out[(y * to + x) * 3 + c] = sum;
      }
    }
  });
  return { data: out, width: to, height };
}

/** The middle, or black around what is smaller. @param {Rgb} p @param {number} size */
function centered({ data, width, height }, size) {
  const out = new Float32Array(3 * size * size);
  const [left, top] = [Math.floor((width - size) / 2), Math.floor((height - size) / 2)];
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const [u, v] = [x + left, y + top];
      if (u < 0 || v < 0 || u >= width || v >= height) continue;
      for (let c = 0; c < 3; c++) out[(c * size + y) * size + x] = data[(v * width + u) * 3 + c];
    }
  }
  return out;
}
