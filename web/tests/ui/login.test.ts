import assert from "node:assert/strict";
import { test } from "node:test";
import en from "../../src/strings/ui.en.json" with { type: "json" };
import zh from "../../src/strings/ui.zh.json" with { type: "json" };
import { ApiError } from "../../src/ui/api.ts";
import { words } from "../../src/ui/i18n.tsx";
import { errorInWords, readRefusal, refusalInWords } from "../../src/ui/login.tsx";

const [english, chinese] = [words("en", en), words("zh", zh)];

test("why a log-in led nowhere is taken out of the address; the rest of it stays", () => {
  assert.deepEqual(readRefusal("?login=no_group"), { refused: "no_group", rest: "" });
  assert.deepEqual(readRefusal("?tab=reports&login=flow&days=90"), { refused: "flow", rest: "?tab=reports&days=90" });
  assert.deepEqual(readRefusal("?tab=reports"), { refused: null, rest: "?tab=reports" });
  assert.deepEqual(readRefusal(""), { refused: null, rest: "" });
});

test("it stands in words; an address cannot put words of its own on the page", () => {
  assert.equal(refusalInWords(english, "disabled"), "Your login is disabled. Ask your administrator.");
  assert.equal(refusalInWords(chinese, "disabled"), "您的账号已停用，请联系管理员。");
  for (const code of ["Call 555 0100 to unlock", "", "constructor", "other"]) {
    assert.equal(refusalInWords(english, code), "You could not be logged in. Please try again.");
  }
});

test("a password that was refused is told by what went wrong, else by the status", () => {
  const say = (status: number, code: string): string => errorInWords(english, new ApiError(status, code, "", false));
  assert.equal(say(401, "not_allowed"), "Login or password is wrong.");
  assert.equal(say(0, "offline"), "No connection to the server.");
  assert.match(say(403, "password_login_off"), /Passwords are switched off/);
  assert.match(say(403, "origin"), /This page may not log in here/);
});
