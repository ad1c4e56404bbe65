/** The views of a run: the method's, and what the run says of them. */
import type { Views } from "../batch.js";
import type { RunConfig } from "../config/resolve.js";
import type { MethodDefinition } from "../methods/index.js";

/** `--labeled-view strong` makes every weak view of labeled images a strong one. */
export function viewsOf(
  definition: Pick<MethodDefinition, "views">,
  { methodOptions, labeledView }: Pick<RunConfig, "methodOptions" | "labeledView">,
): { readonly labeled: Views; readonly unlabeled: Views } {
  const { labeled, unlabeled } = definition.views(methodOptions);
  if (labeledView !== "strong") return { labeled, unlabeled };
  const strong = Object.entries(labeled).map(([role, view]) => {
    return [role, view.augment === "weak" ? { ...view, augment: "strong" as const } : view] as const;
  });
  return { labeled: Object.fromEntries(strong), unlabeled };
}
