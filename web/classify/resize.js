/**
 * Brings a decoded picture to the size of the network as libvips does (and so `fewlabels predict`): whole-number averages first where
 * the picture is much larger, then Lanczos with three lobes, widened to the reduction, rows before columns, 8 bits between. Small
 * pictures are enlarged with Catmull-Rom cubics.
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
  /** How many times larger than wanted, by axis, and what it comes to. @param {Rgb} p */
  const plan = ({ width, height }) => {
    const [x, y] = [width / size, height / size];
    const both = fit === "crop" ? Math.min(x, y) : Math.max(x, y);
    const [fx, fy] = fit === "stretch" ? [x, y] : [both, both];
    return { fx, fy, width: Math.max(1, Math.round(width / fx)), height: Math.max(1, Math.round(height / fy)) };
  };
  const shrink = Math.min(plan(picture).fx, plan(picture).fy);
  const step = jpeg ? whileDecoding(shrink) : 1;
  const now = boxed(picture, step, step, Math.floor);
  const { fx, fy, width, height } = plan(now);
  // libvips averages whole blocks first, until a factor of two is left for the filter.
  const x = axis(now.width, width, fx);
  const y = axis(now.height, height, fy);
  const small = boxed(now, x.block, y.block, Math.ceil);
  const sized = columns(rows(small, y), x);
  // Where one axis is enlarged libvips begins at the edge on the other one too.
  if (x.larger === y.larger) return centered(sized, size);
  return centered(x.larger ? rows(sized, moved(height)) : columns(sized, moved(width)), size);
}

/** @typedef {{ to: number, block: number, factor: number, extra: number, larger: boolean }} Axis */

/**
 * How one axis is reduced: averages of `block`, then a filter by `factor`; `extra` positions are invented at the ends.
 * @param {number} from @param {number} to @param {number} factor @returns {Axis}
 */
function axis(from, to, factor) {
  const block = Math.max(1, Math.floor(from / to / 2));
  return { to, block, factor: factor / block, extra: (to * factor - from) / block, larger: factor < 1 };
}

/** An axis that keeps its size and is read as enlarged ones are. @param {number} to @returns {Axis} */
function moved(to) {
  return { to, block: 1, factor: 1, extra: 0, larger: true };
}

/** By how much sharp lets libjpeg average. @param {number} shrink */
function whileDecoding(shrink) {
  const step = shrink >= 8 ? 8 : shrink >= 4 ? 4 : shrink >= 2 ? 2 : 1;
  return step > 1 && Math.floor(shrink) === step ? step / 2 : step;
}

/**
 * Averages of blocks; what is left at the right and lower edge is dropped, or a smaller block, as `round` says.
 * @param {Rgb} p @param {number} bx @param {number} by @param {(x: number) => number} round @returns {Rgb}
 */
function boxed({ data, width, height }, bx, by, round) {
  if (bx === 1 && by === 1) return { data, width, height };
  const [w, h] = [Math.max(1, round(width / bx)), Math.max(1, round(height / by))];
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

/** @param {number} x */
function cubic(x) {
  const t = Math.abs(x);
  if (t >= 2) return 0;
  return t < 1 ? 1.5 * t ** 3 - 2.5 * t ** 2 + 1 : -0.5 * t ** 3 + 2.5 * t ** 2 - 4 * t + 2;
}

/** For each output position the first input position and the weights, which sum to 1. @param {Axis} axis */
function filters({ to, factor, extra, larger }) {
  const stretch = Math.max(1, factor);
  const [kernel, lobes] = larger ? [cubic, 2] : [lanczos, 3];
  const reach = Math.ceil(lobes * stretch);
  // Reduced pictures are centered; enlarged ones begin at the edge, as in libvips.
  const start = larger ? -0.5 : (factor - 1) / 2 - extra / 2;
  return Array.from({ length: to }, (_, i) => {
    const center = i * factor + start;
    const first = Math.floor(center) - reach + 1;
    const weights = Float64Array.from({ length: 2 * reach }, (_, k) => kernel((first + k - center) / stretch));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((w) => w / sum) };
  });
}

/** @param {Rgb} p @param {Axis} axis @returns {Rgb} */
function rows({ data, width, height }, axis) {
  const { to } = axis;
  if (axis.factor === 1 && to === height && !axis.larger) return { data, width, height };
  const out = new Uint8ClampedArray(width * to * 3);
  filters(axis).forEach(({ first, weights }, y) => {
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

/** @param {Rgb} p @param {Axis} axis @returns {Rgb} */
function columns({ data, width, height }, axis) {
  const { to } = axis;
  if (axis.factor === 1 && to === width && !axis.larger) return { data, width, height };
  const out = new Uint8ClampedArray(to * height * 3);
  filters(axis).forEach(({ first, weights }, x) => {
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
  const [left, top] = [Math.ceil((width - size) / 2), Math.ceil((height - size) / 2)];
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const [u, v] = [x + left, y + top];
      if (u < 0 || v < 0 || u >= width || v >= height) continue;
      for (let c = 0; c < 3; c++) out[(c * size + y) * size + x] = data[(v * width + u) * 3 + c];
    }
  }
  return out;
}
