// Finds CUPTI, NVIDIA's interface for profilers, and compiles bench/gpu_kernels.cc against it.
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { capture, engineRecordPath, readJson, run } from "../scripts/setup/common.mjs";
import { findCompiler } from "../scripts/setup/compile.mjs";
import { cudaMachine, findNvcc } from "../scripts/setup/cuda.mjs";

/**
 * @typedef {object} Cupti
 * @property {string[]} includes  folders with cupti.h and CUDA's headers
 * @property {string} folder      where the library lies
 * @property {string} library     its file's name
 */

/**
 * Folders `nvidia` of NVIDIA's Python packages: beside the libtorch that the engine was compiled for, then Python's.
 * @param {string} python
 */
export function nvidiaFolders(python) {
  const code =
    "import importlib.util as u; s = u.find_spec('nvidia'); print(*(s.submodule_search_locations if s else []), sep='\\n')";
  const libtorch = readJson(engineRecordPath)?.libtorch?.root;
  const folders = [
    libtorch ? join(dirname(libtorch), "nvidia") : "",
    ...(capture(python, ["-c", code]) ?? "").split("\n"),
  ];
  return [...new Set(folders)].filter((folder) => folder && existsSync(folder));
}

/**
 * In Python packages, for CUDA 13 (nvidia/cu13) and 12 (nvidia/cuda_cupti), then in toolkits.
 * @param {string[]} nvidia folders of such packages
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Cupti | undefined}
 */
export function findCupti(nvidia, env = process.env) {
  const nvcc = findNvcc(env);
  const wheels = nvidia.flatMap((folder) => [
    ...readdirSync(folder)
      .filter((name) => /^cu\d+$/.test(name))
      .sort()
      .reverse()
      .map((name) => ({ includes: [join(folder, name, "include")], libraries: [join(folder, name, "lib")] })),
    {
      includes: ["cuda_cupti", "cuda_runtime", "cuda_nvcc"].map((part) => join(folder, part, "include")),
      libraries: [join(folder, "cuda_cupti/lib")],
    },
  ]);
  const named = [
    env.CUDA_HOME,
    nvcc && dirname(dirname(nvcc.path)),
    nvcc && dirname(nvcc.include),
    "/usr/local/cuda",
    "/usr",
  ];
  const toolkits = [...new Set(named)].flatMap((root) => {
    if (!root) return [];
    const under = (/** @type {string[]} */ ...paths) => paths.map((path) => join(root, path));
    return {
      includes: under("extras/CUPTI/include", "include", `targets/${cudaMachine[0]}/include`),
      libraries: under("extras/CUPTI/lib64", "lib64", "lib", `targets/${cudaMachine[0]}/lib`, `lib/${cudaMachine[1]}`),
    };
  });
  const places = [...wheels, ...toolkits];
  // A package of CUPTI may come without the rest of CUDA's headers: those of any other place follow it.
  const headers = places.flatMap(({ includes }) => includes);
  for (const { includes, libraries } of places) {
    if (!includes.some((folder) => existsSync(join(folder, "cupti.h")))) continue;
    for (const folder of libraries) {
      const library = existsSync(folder) && readdirSync(folder).find((name) => /^libcupti\.so(\.\d+)?$/.test(name));
      if (!library) continue;
      const others = headers.filter((place) =>
        ["cuda.h", "crt/host_config.h"].some((name) => existsSync(join(place, name))),
      );
      const own = includes.filter((place) => existsSync(place));
      return { includes: [...new Set([...own, ...others])], folder, library };
    }
  }
  return undefined;
}

/** Compiles the library that CUDA loads. @param {Cupti} cupti @param {string} output @returns {Promise<string | undefined>} what went wrong */
export async function compileTracer({ includes, folder, library }, output) {
  const compiler = findCompiler();
  if (!compiler) return "no C++ compiler";
  const source = fileURLToPath(new URL("gpu_kernels.cc", import.meta.url));
  const flags = ["-std=c++17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", ...compiler.flags];
  const link = [`-L${folder}`, `-l:${library}`, `-Wl,-rpath,${folder}`, "-Wl,--no-undefined", ...compiler.linkFlags];
  const args = [...flags, ...includes.map((path) => `-I${path}`), source, "-o", output, ...link];
  const { status, output: said } = await run(compiler.path, args, { env: compiler.env });
  return status === 0 ? undefined : said;
}
