/** Calls that keep a step from being taken at once. */

/** The size of what they give is known once their values are. */
const sizedByData = new Set(
  [
    "masked_select nonzero nonzero_numpy argwhere where _unique _unique2 unique_consecutive unique_dim",
    "unique_dim_consecutive repeat_interleave.Tensor repeat_interleave.self_Tensor",
  ]
    .flatMap((names) => names.split(" "))
    .map((name) => `aten::${name}`),
);

/** Why a step with this call cannot be taken at once. `dtypes`: of the tensors it is told. */
export function obstacleTo(key: string, dtypes: () => readonly string[]): string | undefined {
  const picks =
    key === "aten::index.Tensor" &&
    dtypes()
      .slice(1)
      .some((one) => /bool|uint8/.test(one));
  return sizedByData.has(key) || picks ? `the sizes of its tensors depend on data (${key})` : undefined;
}
