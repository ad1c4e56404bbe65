/** How large one array may be: Node 20 refuses more than 4 GiB, later ones do not. */
import { constants } from "node:buffer";

export const mostBytes = constants.MAX_LENGTH;
