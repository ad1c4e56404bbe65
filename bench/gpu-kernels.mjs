// What bench/gpu_kernels.cc wrote down, by step: which kernels, how often, how long, of which kind.

/**
 * @typedef {object} Kernel  a kernel, copy or fill that ran
 * @property {string} name
 * @property {number} start  nanoseconds
 * @property {number} end
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {string} kind
 * @property {number} calls         a step
 * @property {number} microseconds  a step
 * @property {number} share         of the time of all kernels
 *
 * @typedef {object} Profile
 * @property {number} steps    in the part that was looked at
 * @property {number} span     microseconds from one step to the next
 * @property {number} busy     microseconds a step with anything running
 * @property {number} kernelTime  microseconds a step of all kernels; more than `busy` where they ran side by side
 * @property {number} calls    kernels, copies and fills a step
 * @property {Row[]} kinds     the slowest first
 * @property {Row[]} kernels   likewise
 */

/** The first that fits a name. Fused kernels of torch.compile have the names of all their parts. */
const kinds = /** @type {const} */ ([
  ["ours", /\bfewlabels::/],
  ["batch norm", /batch_?norm|\bbn_[fb]w|\bbnorm|bn_(?:train|finalize)/i],
  ["pooling", /pool/i],
  ["elementwise", /^triton_poi_/],
  ["reduction", /^triton_(?:red|per)_/],
  ["convolution, GEMM", /gemm|conv(?!ert)|wgrad|dgrad|fprop|xmma|cutlass|nvjet|winograd|splitK|gemv|^triton_tem_/i],
  ["lists of tensors", /multi_tensor_apply/],
  [
    "copies",
    /^mem(?:cpy|set)|copy_kernel|direct_copy|float8_copy|nchwToNhwc|nhwcToNchw|CatArray|transpose|convertTensor/i,
  ],
  ["reduction", /reduce_|DeviceReduce|softmax|nll_loss|cross_entropy|norm_kernel/i],
  ["elementwise", /elementwise|dropout|masked_scale|fill|scatter|gather|index/i],
]);

/** @param {string} name demangled */
export const kindOf = (name) => kinds.find(([, pattern]) => pattern.test(name))?.[0] ?? "rest";

/** A name without what all such names have: namespaces, argument lists, lambdas, ways to count and load. @param {string} name demangled */
export function shortName(name, length = 90) {
  let short = name
    .replace(/^void /, "")
    .replace(
      /\(anonymous namespace\)::|\bat::(?:native::)?|\b(?:c10|std|memory|templates|binary_internal)::|\bcuda::/g,
      "",
    )
    .replace(/__nv_\w+<(?:(?:true|false), )*__nv_dl_\w*tag<void \(\*\)\([^()]*\), &(?:\(void )?/g, "")
    .replace(/::\{lambda\((\w*(?:float|double|Half|Float16))\b[^()]*\)#\d+\}/g, ":$1");
  for (let before = ""; before !== short; ) {
    before = short;
    short = short.replace(/\([^()]*\)/g, "");
  }
  short = short
    .replace(/::\{lambda#\d+\}|::operator(?: const)?(?=::|:|,|>|<)/g, "")
    .replace(/, (?:array<char\*, \d+ul>|\w*OffsetCalculator<[^<>]*>|(?:Load|Store)With\w+(?:<\d+>)?)/g, "")
    .replace(/<\d+(?:, \d+)*, /g, "<")
    .replace(/gpu_kernel_impl(?:_nocast)?<((?:[^<>]|<[^<>]*>)*)>/g, "$1")
    .replace(/ (?=>)/g, "")
    .trim();
  return short.length > length ? `${short.slice(0, length - 1)}…` : short;
}

/** Kernels of a file of bench/gpu_kernels.cc, in the order of their starts. @param {{ names: string[], records: number[] }} trace @returns {Kernel[]} */
export function readTrace({ names, records }) {
  /** @type {Kernel[]} */
  const kernels = [];
  for (let i = 0; i + 2 < records.length; i += 3) {
    const [id = 0, start = 0, duration = 0] = records.slice(i, i + 3);
    kernels.push({ name: names[id] ?? "?", start, end: start + duration });
  }
  return kernels.sort((a, b) => a.start - b.start);
}

/**
 * The end of a run, `steps` whole steps of about `stepMs` milliseconds: from a call of a convolution to the same call `steps` steps
 * later, the last one. What came before (warm-up, choosing algorithms, compiling) and after it (saving) is left out.
 * @param {Kernel[]} kernels in the order of their starts
 * @param {number} steps
 * @param {number} stepMs
 * @returns {{ from: number, to: number, steps: number }}
 */
export function lastSteps(kernels, steps, stepMs) {
  const last = kernels.findLast(({ name }) => kindOf(name) === "convolution, GEMM") ?? kernels.at(-1);
  if (!last) throw new Error("no kernel was recorded: did the run use the GPU?");
  const starts = kernels.filter(({ name }) => name === last.name).map(({ start }) => start);
  const about = last.start - steps * stepMs * 1e6;
  const inside = starts.filter((start) => start >= about && start < last.start).length;
  const callsAStep = Math.max(1, Math.round(inside / steps));
  const from = starts[starts.length - 1 - steps * callsAStep];
  if (from === undefined || (starts[0] ?? 0) > about)
    throw new Error(`fewer than ${steps} steps were recorded: ${last.name} ran ${starts.length} times`);
  return { from, to: last.start, steps };
}

/** @param {Kernel[]} kernels in the order of their starts @param {{ from: number, to: number, steps: number }} part @returns {Profile} */
export function profileOf(kernels, { from, to, steps }) {
  const here = kernels.filter(({ start }) => start >= from && start < to);
  const aStep = (/** @type {number} */ nanoseconds) => nanoseconds / 1000 / steps;
  const total = here.reduce((sum, { start, end }) => sum + end - start, 0);
  let [busy, until] = [0, from];
  for (const { start, end } of here) {
    busy += Math.max(0, Math.min(end, to) - Math.max(start, until));
    until = Math.max(until, end);
  }
  /** @param {(name: string) => string} keyOf @returns {Row[]} */
  const rows = (keyOf) => {
    /** @type {Map<string, Kernel[]>} */
    const groups = new Map();
    for (const kernel of here) {
      const group = groups.get(keyOf(kernel.name));
      if (group) group.push(kernel);
      else groups.set(keyOf(kernel.name), [kernel]);
    }
    return [...groups]
      .map(([name, group]) => {
        const time = group.reduce((sum, { start, end }) => sum + end - start, 0);
        const kind = kindOf(group[0]?.name ?? "");
        return { name, kind, calls: group.length / steps, microseconds: aStep(time), share: time / total };
      })
      .sort((a, b) => b.microseconds - a.microseconds);
  };
  return {
    steps,
    span: aStep(to - from),
    busy: aStep(busy),
    kernelTime: aStep(total),
    calls: here.length / steps,
    kinds: rows(kindOf),
    kernels: rows((name) => name),
  };
}

/** Tables in Markdown: kinds, then the `most` slowest kernels. @param {Profile} profile @returns {string[]} */
export function tables({ kinds, kernels, ...sums }, most = 40) {
  const cells = ({ calls, microseconds, share } = /** @type {Row} */ ({})) =>
    `${calls.toFixed(1)} | ${microseconds.toFixed(1)} | ${(100 * share).toFixed(1)} %`;
  const others = kernels.slice(most);
  const sum = (/** @type {"calls" | "microseconds" | "share"} */ of) => others.reduce((all, row) => all + row[of], 0);
  const left = { calls: sum("calls"), microseconds: sum("microseconds"), share: sum("share") };
  return [
    `a step: ${sums.span.toFixed(0)} us, the GPU busy for ${sums.busy.toFixed(0)} us of it (${sums.kernelTime.toFixed(0)} us of ${sums.calls.toFixed(0)} kernels, copies and fills; ${sums.steps} steps)`,
    "",
    "| kind | calls a step | us a step | share |",
    "| --- | --- | --- | --- |",
    ...kinds.map((row) => `| ${row.name} | ${cells(row)} |`),
    "",
    "| kernel | kind | calls a step | us a step | share |",
    "| --- | --- | --- | --- | --- |",
    ...kernels.slice(0, most).map((row) => `| ${shortName(row.name)} | ${row.kind} | ${cells(row)} |`),
    ...(others.length ? [`| ${others.length} others | | ${cells({ ...left, name: "", kind: "" })} |`] : []),
  ];
}
