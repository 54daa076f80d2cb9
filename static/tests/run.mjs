// Builds the tests (they are TypeScript, as what they test) and runs them with Node's runner.
import {spawnSync} from "node:child_process";
import {mkdir, readdir, rm} from "node:fs/promises";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";
import {build} from "esbuild";
import {options} from "../build.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "../node_modules/.tests");
await rm(out, {recursive: true, force: true});
await mkdir(out, {recursive: true});
const entryPoints = (await readdir(here)).filter((name) => name.endsWith(".test.ts")).map((name) => join(here, name));
await build({...options, entryPoints, target: "node20", minify: false, write: true, outdir: out, outExtension: {".js": ".mjs"}, format: "esm", platform: "node"});
const files = (await readdir(out)).map((name) => join(out, name)).concat(join(here, "build.test.mjs"));
process.exit(spawnSync(process.execPath, ["--test", ...files], {stdio: "inherit"}).status ?? 1);
