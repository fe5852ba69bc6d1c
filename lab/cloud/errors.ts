/** An error response of the Hetzner API. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: unknown;
  constructor(status: number, code: string, message: string, details: unknown = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

export function notFound(what: string, id: string | number): ApiError {
  return new ApiError(404, "not_found", `${what} with ID '${id}' not found`);
}

/** 422 with the invalid fields, as Hetzner names them. */
export function invalidInput(fields: Readonly<Record<string, string>>): ApiError {
  const names = Object.keys(fields);
  return new ApiError(
    422,
    "invalid_input",
    `invalid input in field${names.length > 1 ? "s" : ""} '${names.join("', '")}': ${Object.values(fields).join("; ")}`,
    {
      fields: names.map((name) => ({ name, messages: [fields[name]] })),
    },
  );
}

export function notUnique(field: string, what: string): ApiError {
  return new ApiError(409, "uniqueness_error", `${what}: ${field} is already used`, {
    fields: [{ name: field }],
  });
}

export function isProtected(what: string): ApiError {
  return new ApiError(423, "protected", `${what} is protected`);
}

/** A feature of Hetzner that the lab does not support: refused with an error that names it. */
export function notInLab(what: string): ApiError {
  return new ApiError(422, "unsupported_error", `${what} is not supported by the lab`);
}

export function locked(what: string): ApiError {
  return new ApiError(423, "locked", `${what} is locked (there is already an action running)`);
}
