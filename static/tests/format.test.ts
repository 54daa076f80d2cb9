import assert from "node:assert/strict";
import test from "node:test";
import {address, jumbo, parse} from "../src/format";
import {format} from "../src/i18n";

const kinds = (body: string, names: string[] = []): string => parse(body, names).map((token) => `${token.kind}:${token.text}`).join("|");

test("markup that is typed stays text", () => {
  assert.equal(kinds("<img src=x onerror=alert(1)>"), "text:<img src=x onerror=alert(1)>");
});

test("an address is a link, and the sentence's punctuation is not part of it", () => {
  assert.equal(kinds("(see https://a.example/b?c=d)."), "text:(see |link:https://a.example/b?c=d|text:).");
  assert.equal(kinds("https://a.example/Moon_(crater)"), "link:https://a.example/Moon_(crater)");
  assert.equal(kinds("www.a.example, ok"), "link:www.a.example|text:, ok");
});

test("only http, https and mailto addresses are links", () => {
  assert.equal(address("javascript:alert(1)"), "");
  assert.equal(address("data:text/html,x"), "");
  assert.equal(address("mailto:a@b.example"), "mailto:a@b.example");
  assert.equal(kinds("javascript:alert(1)"), "text:javascript:alert(1)");
});

test("code keeps what would be a link or a mention elsewhere", () => {
  assert.equal(kinds("run `curl https://a.example @Ann` now", ["Ann"]), "text:run |code:curl https://a.example @Ann|text: now");
  assert.equal(kinds("x\n```js\nif (a < b) {\n}\n```\ny"), "text:x|fence:if (a < b) {\n}|text:y");
});

test("a mention is a member's full or first name, not the beginning of a longer word", () => {
  const names = ["Ann Lee", "Annabel Roy"];
  assert.equal(kinds("@Annabel and @ann lee!", names), "mention:@Annabel|text: and |mention:@ann lee|text:!");
  assert.equal(kinds("@Annette me@Ann", names), "text:@Annette me@Ann");
});

test("one to three emoji alone are large, and nothing else is", () => {
  for (const body of ["🪐", "👍🏽", "❤️ 🔥", "👨‍👩‍👧‍👦", "🇳🇴🇸🇪"]) assert.ok(jumbo(body), body);
  for (const body of ["🪐🪐🪐🪐", "ok 👍", "12", "#", ""]) assert.ok(!jumbo(body), body);
});

test("plurals follow the language, and numbers its digits", () => {
  const text = "{n, plural, one {# message from {name}} other {# messages from {name}}}";
  assert.equal(format(text, {n: 1, name: "Ann"}, "en"), "1 message from Ann");
  assert.equal(format(text, {n: 1200, name: "Ann"}, "en"), "1,200 messages from Ann");
  assert.equal(format("{n, plural, two {رسالتان} few {# رسائل} other {# رسالة}}", {n: 3}, "ar-EG"), "٣ رسائل");
  assert.equal(format("{n, plural, two {رسالتان} other {# رسالة}}", {n: 2}, "ar-EG"), "رسالتان");
});

test("names are isolated where directions mix", () => {
  assert.equal(format("{a} x", {a: "Ann"}, "ar", true), "\u2068Ann\u2069 x");
});
