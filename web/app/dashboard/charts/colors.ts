/** Colors that people with any color vision tell apart (Okabe and Ito, and lighter ones for dark grounds); then they repeat, dashed. */
const light = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#7a4fb5", "#444444"];
const dark = ["#6cb6f2", "#ff9a4d", "#4fd1a5", "#f0a6cc", "#e6c84a", "#a5d8ff", "#c0a1f0", "#c8c8c8"];

export function colorOf(index: number, isDark: boolean): string {
  const colors = isDark ? dark : light;
  return colors[index % colors.length]!;
}

export const dashOf = (index: number): number[] => [[], [8, 3], [2, 3]][Math.floor(index / light.length) % 3]!;
