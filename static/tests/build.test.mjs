import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {readFileSync, readdirSync} from "node:fs";
import {dirname, join} from "node:path";
import test from "node:test";
import {fileURLToPath} from "node:url";
import {brotliCompressSync, constants} from "node:zlib";

const folder = join(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(folder, "dist");
const {files} = JSON.parse(readFileSync(join(dist, "manifest.json"), "utf8"));
const weight = (name) => brotliCompressSync(readFileSync(join(dist, name)), {params: {[constants.BROTLI_PARAM_QUALITY]: 11}}).length;

test("the committed files are what the sources build", () => {
  execFileSync(process.execPath, [join(folder, "build.mjs"), "--check"], {stdio: "pipe"});
});

test("the loader is at most 2 KB", () => {
  assert.ok(weight(files.loader) <= 2_048, `${weight(files.loader)} bytes`);
});

test("the chat with any one language is at most 30 KB", () => {
  for (const key of Object.keys(files).filter((name) => name.startsWith("locale-"))) {
    const sum = weight(files.chat) + weight(files[key]);
    assert.ok(sum <= 30 * 1_024, `${key}: ${sum} bytes`);
  }
});

test("what loads at rest is at most 10 KB", () => {
  for (const key of Object.keys(files).filter((name) => name.startsWith("emoji-"))) {
    const sum = weight(files.more) + weight(files[key]);
    assert.ok(sum <= 10 * 1_024, `${key}: ${sum} bytes`);
  }
});

test("nothing in the built files evaluates text or writes markup", () => {
  for (const name of readdirSync(dist).filter((file) => file.endsWith(".js"))) {
    assert.doesNotMatch(readFileSync(join(dist, name), "utf8"), /\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write|document\.cookie/, name);
  }
});
