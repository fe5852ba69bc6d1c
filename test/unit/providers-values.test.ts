import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  changedKeys,
  configValue,
  decodeProperties,
  encodeProperties,
  signatureKey,
  signatures,
  unknownString,
} from "../../lab/pulumi/providers/property-values.ts";
import { type PropertyValue, unknownValue } from "../../lab/pulumi/providers/provider.ts";
import { urn, wire } from "./wire-values.ts";

describe("values on the wire", () => {
  test("secrets and outputs are unwrapped, unknowns and references recognised", () => {
    const decoded = decodeProperties(
      wire({
        secret: { [signatureKey]: signatures.secret, value: { deep: "s3cret" } },
        known: { [signatureKey]: signatures.output, value: ["a", null], secret: true, dependencies: [] },
        unknown: { [signatureKey]: signatures.output },
        reference: { [signatureKey]: signatures.resource, urn, id: "7" },
        number: "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        list: [unknownString, 1],
      }),
    );
    expect(decoded).toEqual({
      secret: { deep: "s3cret" },
      known: ["a", null],
      unknown: unknownValue,
      reference: "7",
      number: unknownValue,
      list: [unknownValue, 1],
    });
  });

  test("every encoded value is decoded to itself", () => {
    const scalar: fc.Arbitrary<PropertyValue> = fc.oneof(
      fc.string(),
      fc.boolean(),
      fc.integer(),
      fc.constant(null),
      fc.constant(unknownValue),
    );
    const value = fc.letrec<{ value: PropertyValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        scalar,
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), tie("value"), { maxKeys: 3, noNullPrototype: true }),
      ),
    })).value;
    fc.assert(
      fc.property(value, (value) => {
        expect(decodeProperties(encodeProperties({ value }))).toEqual({ value });
      }),
    );
  });

  test("an unknown differs from everything; an absent key equals null", () => {
    expect(changedKeys({ a: unknownValue, b: null, c: [1] }, { a: unknownValue, c: [1] })).toEqual(["a"]);
    expect(() => encodeProperties({ a: Number.NaN })).toThrow("a property is NaN");
  });

  test("a provider's settings may be JSON text", () => {
    const inputs = { port: "5432", superuser: "false", host: "127.0.0.1", options: '["-p"]', user: "me" };
    expect(Object.keys(inputs).map((key) => configValue(inputs, key))).toEqual([
      5432,
      false,
      "127.0.0.1",
      ["-p"],
      "me",
    ]);
  });
});
