/** What a run is checked against when it is resumed. */
import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { updateInPieces } from "../../src/data/fingerprint.js";

// Node refuses more than 2 GiB at once: a run on so many pixels ended after all the loading.
it("hashes pixels in pieces, to the hash of the whole", () => {
  const pixels = Float32Array.from({ length: 1000 }, (_, i) => i / 7).subarray(3, 900);
  const whole = createHash("sha256").update(pixels).digest("hex");
  const most: number[] = [];
  const hash = createHash("sha256");
  const counting = {
    update: (data: Uint8Array) => {
      most.push(data.length);
      return hash.update(data);
    },
  };
  updateInPieces(counting as typeof hash, pixels, 1000);
  expect(hash.digest("hex")).toBe(whole);
  expect(most).toEqual([1000, 1000, 1000, 588]);
});
