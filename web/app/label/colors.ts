/** A color a class, far apart for the first dozen; names and keys say the same. */
export const classColor = (place: number): string => `hsl(${Math.round((place * 137.5 + 210) % 360)} 65% 50%)`;
