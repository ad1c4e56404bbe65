/** What `bin/fewlabels.js` starts. */
import { printError } from "./output.js";
import { main } from "./program.js";

// Node ends with 0 where nothing is left to wait for, whatever still waits.
let done = false;
process.once("beforeExit", () => {
  if (done) return;
  printError(
    "fewlabels: ended before its work was done: it waits for something that cannot come any more. This is a fault in fewlabels, or in a file that it was given; please report it with the command you gave.",
  );
  process.exitCode = 1;
});

await main(process.argv.slice(2));
done = true;
