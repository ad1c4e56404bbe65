// The first thing that runs: ends with a sentence where Node is too old for the rest. Old Nodes must be able to read this file and
// those that import it first: no syntax and no import that came after Node 12.
export var neededNode = /** @type {const} */ ([20, 19]);

/**
 * What to say of a Node that is too old; undefined where it will do.
 * @param {string} version such as "18.20.4"
 * @returns {string | undefined}
 */
export function nodeProblem(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > neededNode[0] || (major === neededNode[0] && minor >= neededNode[1])) return undefined;
  return (
    "fewlabels: this is Node " +
    version +
    ", and fewlabels needs " +
    neededNode.join(".") +
    " or newer. Debian's own package is older: take Node from https://nodejs.org or https://github.com/nodesource/distributions"
  );
}

var problem = nodeProblem(process.versions.node);
if (problem) {
  console.error(problem);
  process.exit(1);
}
