/** What a class may be called, so that labels files and everything that reads them take it for what it is. */
import { UsageError } from "../errors.js";
import { composed, isNoLabel, shown } from "../labels/class-names.js";

const LONGEST = 100;

/** The name as it is kept: composed, without outer blanks. Throws UsageError that says what is wrong with it. */
export function classWord(text: string): string {
  const name = composed(text).trim();
  const refuse = (why: string): never => {
    throw new UsageError(`a class cannot be called "${shown(name)}": ${why}`);
  };
  if (name === "") refuse("a class needs a name");
  if (name.length > LONGEST) refuse(`it has ${name.length} characters, and ${LONGEST} are the most`);
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(name)) refuse("it holds characters that cannot be seen");
  if (isNoLabel(name)) refuse("labels files say so where there is no label");
  if (/^[=+\-@]/.test(name)) refuse("spreadsheets take that for a formula");
  return name;
}
