// What exported files are tested with, put in place before the tests (npm test): runtimes of ONNX in test/runtimes, and Debian's Chromium.
// Where something cannot be had the tests that need it are skipped and say so. FEWLABELS_TEST_RUNTIMES=0 leaves all of it alone.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../test/runtimes/", import.meta.url));
const [lock, installed] = [`${folder}package-lock.json`, `${folder}node_modules/.fewlabels-lock.json`];
const browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Runs a program, its output as it comes; whether it succeeded. @param {string} program @param {readonly string[]} args */
function run(program, args) {
  console.log(`test runtimes: ${program} ${args.join(" ")}`);
  const { status } = spawnSync(program, args, {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    timeout: 600_000,
  });
  return status === 0;
}

function runtimes() {
  if (existsSync(installed) && readFileSync(installed, "utf8") === readFileSync(lock, "utf8")) return true;
  const done = run("npm", [
    "ci",
    "--prefix",
    folder,
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ]);
  if (done) copyFileSync(lock, installed);
  return done;
}

function browser() {
  if (process.env.CHROMIUM || browsers.some((path) => existsSync(path))) return true;
  if (!existsSync("/usr/bin/apt-get") || process.getuid?.() !== 0) return false;
  return run("apt-get", ["update", "-q"]) && run("apt-get", ["install", "-qy", "--no-install-recommends", "chromium"]);
}

if (process.env.FEWLABELS_TEST_RUNTIMES !== "0") {
  if (!runtimes())
    console.warn("test runtimes: onnxruntime and transformers.js could not be installed; their tests are skipped");
  if (!browser())
    console.warn("test runtimes: no Chromium (apt-get install chromium, or CHROMIUM=PATH); its tests are skipped");
}
