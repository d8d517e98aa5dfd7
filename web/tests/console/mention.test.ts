import assert from "node:assert/strict";
import { test } from "node:test";
import { askedFor, colleagues, complete, named } from "../../src/console/mention.ts";
import type { TeamMember } from "../../src/protocol/gen.ts";

const member = (id: string, name: string): TeamMember => ({ id, name, presence: "available", load: 0, capacity: 4, languages: [] });
const TEAM = [member("1", "Ann"), member("2", "Ann Lee"), member("3", "林"), member("4", "J. (Jo) *"), member("5", "Zoë")];

test("an @ asks for a colleague, the one of an address does not", () => {
  assert.deepEqual(askedFor("see @an", 7), { at: 4, typed: "an" });
  assert.deepEqual(askedFor("请@林", 3), { at: 1, typed: "林" });
  assert.deepEqual(askedFor("@", 1), { at: 0, typed: "" });
  assert.equal(askedFor("mail a.b@an", 11), null);
  assert.equal(askedFor("@ann ", 5), null);
  assert.deepEqual(askedFor("@ann later", 3), { at: 0, typed: "an" });
});

test("any part of a name finds its bearer", () => {
  const found = (typed: string): string[] => colleagues(TEAM, typed).map((one) => one.id);
  assert.deepEqual(found("le"), ["2"]);
  assert.deepEqual(found("AN"), ["1", "2"]);
  assert.deepEqual(found("林"), ["3"]);
  assert.equal(found("").length, TEAM.length);
  assert.deepEqual(found("x"), []);
});

test("the name takes the place of what was typed", () => {
  assert.deepEqual(complete("ask @an please", 7, 4, "Ann Lee"), { text: "ask @Ann Lee please", cursor: 13 });
  assert.deepEqual(complete("@", 1, 0, "林"), { text: "@林 ", cursor: 3 });
});

test("whole names are meant, the longer of two, each once, whatever characters are in them", () => {
  assert.deepEqual(named("@Ann Lee look", TEAM), ["2"]);
  assert.deepEqual(named("@Ann look, @Ann Lee too, @Ann!", TEAM).sort(), ["1", "2"]);
  assert.deepEqual(named("@Anna, x@Ann.example", TEAM), []);
  assert.deepEqual(named("请@林看一下", TEAM), ["3"]);
  assert.deepEqual(named("@J. (Jo) * and @Zoë", TEAM), ["4", "5"]);
  assert.deepEqual(named("@Zoëlle", TEAM), []);
  assert.deepEqual(named("two of a name: @Ann", [...TEAM, member("9", "Ann")]), ["1", "9"]);
  assert.deepEqual(named("", TEAM), []);
});
