import { invalidInput } from "./errors.ts";

type Labels = Readonly<Record<string, string>>;
type Term = (labels: Labels) => boolean;

const key = "[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?";
const value = "[A-Za-z0-9._-]*";

function term(text: string): Term | undefined {
  let match = new RegExp(`^(${key})\\s*(==|=|!=)\\s*(${value})$`).exec(text);
  if (match) {
    const [, name = "", operator, wanted = ""] = match;
    return operator === "!=" ? (labels) => labels[name] !== wanted : (labels) => labels[name] === wanted;
  }
  match = new RegExp(`^(${key})\\s+(in|notin)\\s*\\(([^()]*)\\)$`).exec(text);
  if (match) {
    const [, name = "", operator, list = ""] = match;
    const wanted = new Set(list.split(",").map((item) => item.trim()));
    const among: Term = (labels) => labels[name] !== undefined && wanted.has(labels[name]);
    return operator === "in" ? among : (labels) => !among(labels);
  }
  match = new RegExp(`^(!?)\\s*(${key})$`).exec(text);
  if (match) {
    const [, negated, name = ""] = match;
    return (labels) => name in labels !== (negated === "!");
  }
  return undefined;
}

/**
 * A label selector of the Hetzner API: `key`, `!key`, `key=value`, `key==value`, `key!=value`, `key in (a,b)`,
 * `key notin (a,b)`, joined by commas; all must match. Throws `invalid_input` for anything else.
 */
export function parseSelector(text: string, field = "label_selector"): Term {
  const terms: Term[] = [];
  for (const part of text.split(/,(?![^(]*\))/)) {
    const parsed = term(part.trim());
    if (!parsed) {
      throw invalidInput({ [field]: `"${part.trim()}" is not a label selector` });
    }
    terms.push(parsed);
  }
  return (labels) => terms.every((holds) => holds(labels));
}

const prefixed = /^(?:[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const allowedValue = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;

/** Throws `invalid_input` for a label that Hetzner refuses: at most 63 characters, letters, digits, `.`, `_`, `-`. */
export function checkLabels(labels: Labels): void {
  for (const [name, text] of Object.entries(labels)) {
    if (!prefixed.test(name)) {
      throw invalidInput({ labels: `label key '${name}' is not correctly formatted` });
    }
    if (!allowedValue.test(text)) {
      throw invalidInput({ labels: `label value '${text}' (key: ${name}) is not correctly formatted` });
    }
  }
}
