/**
 * Files of `EnvironmentFile=`, read as systemd reads them. Pure.
 *
 * @module
 */

type State =
  | "before key"
  | "key"
  | "before value"
  | "value"
  | "value escape"
  | "single quotes"
  | "double quotes"
  | "double quotes escape"
  | "comment"
  | "comment escape";

const isNewline = (character: string) => character === "\n" || character === "\r";
const isSpace = (character: string) => /[ \t\n\r]/.test(character);

/**
 * The assignments of a file of `EnvironmentFile=`, in order; of a name that is there twice, the last
 * counts.
 *
 * Source: src/basic/env-file.c (parse_env_file_internal) @ systemd v257.
 */
export function parseEnvironmentFile(text: string): (readonly [name: string, value: string])[] {
  const found: [string, string][] = [];
  let state: State = "before key";
  let [key, value] = ["", ""];
  // How much of the value stands before blanks that may turn out to be the last.
  let solid = 0;
  const end = () => {
    found.push([key.trim(), state === "value" ? value.slice(0, solid) : value]);
    [key, value, solid, state] = ["", "", 0, "before key"];
  };
  const add = (text: string) => {
    value += text;
    solid = value.length;
  };
  for (const character of text) {
    switch (state) {
      case "before key":
        if (character === "#" || character === ";") state = "comment";
        else if (!isSpace(character)) [state, key] = ["key", character];
        break;
      case "key":
        if (isNewline(character)) [state, key] = ["before key", ""];
        else if (character === "=") state = "before value";
        else key += character;
        break;
      case "before value":
        if (isNewline(character)) end();
        else if (character === "'") state = "single quotes";
        else if (character === '"') state = "double quotes";
        else if (character === "\\") state = "value escape";
        else if (!isSpace(character)) {
          state = "value";
          add(character);
        }
        break;
      case "value":
        if (isNewline(character)) end();
        else if (character === "\\") state = "value escape";
        else if (isSpace(character)) value += character;
        else add(character);
        break;
      case "value escape":
        state = "value";
        if (!isNewline(character)) add(character);
        break;
      case "single quotes":
        if (character === "'") state = "before value";
        else add(character);
        break;
      case "double quotes":
        if (character === '"') state = "before value";
        else if (character === "\\") state = "double quotes escape";
        else add(character);
        break;
      case "double quotes escape":
        state = "double quotes";
        if (/["\\`$]/.test(character)) add(character);
        else if (character !== "\n") add(`\\${character}`);
        break;
      case "comment":
        if (character === "\\") state = "comment escape";
        else if (isNewline(character)) state = "before key";
        break;
      case "comment escape":
        state = isNewline(character) ? "before key" : "comment";
        break;
    }
  }
  if (!["before key", "key", "comment", "comment escape"].includes(state)) end();
  return found;
}
