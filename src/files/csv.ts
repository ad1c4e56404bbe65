/** A CSV field as in RFC 4180: in quotes where it holds a comma, a quote, a line end or outer blanks. */
export function csvField(text: string): string {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
