// `node scripts/setup.mjs`: the arguments, and failures as lines for people.
import { SetupError, since } from "./common.mjs";
import { setUpPackage } from "./set-up.mjs";

const usage = `usage: node scripts/setup.mjs [--only=engine|typescript] [--no-install]
  --only=engine      find libtorch and build the addon, nothing else
  --only=typescript  compile src/ and the pages of web/app into dist/, nothing else
  --no-install       never install or download: say what is missing instead (also FEWLABELS_NO_INSTALL=1)`;

/** @param {string[]} args */
export async function main(args) {
  if (args.includes("--help")) {
    console.log(usage);
    return;
  }
  const unknown = args.find((arg) => !/^--(only=(engine|typescript)|no-install)$/.test(arg));
  if (unknown) {
    console.error(`fewlabels setup: unknown argument ${unknown}\n${usage}`);
    process.exitCode = 2;
    return;
  }
  const started = performance.now();
  const only = args.find((arg) => arg.startsWith("--only="))?.slice("--only=".length);
  try {
    const parts = await setUpPackage({
      only,
      install: !args.includes("--no-install"),
      log: (line) => console.log(`fewlabels: ${line}`),
    });
    console.log(`fewlabels: ${parts.join(", ")} (${since(started)})`);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`fewlabels setup: ${error.message}`);
    for (const hint of error.hints) console.error(`  - ${hint}`);
    process.exitCode = 1;
  }
}
