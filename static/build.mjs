// Builds static/dist/ from src/ and locales/: the loader, the chat module (its style sheet inside), one module per
// language, and manifest.json. The output is the same byte for byte wherever it is built; `--check` only compares,
// and fails where dist/ is stale.
import {createHash} from "node:crypto";
import {mkdir, readFile, readdir, rm, writeFile} from "node:fs/promises";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";
import {brotliCompressSync, constants} from "node:zlib";
import {build} from "esbuild";
import {minify} from "terser";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const target = ["chrome111", "firefox113", "safari16.4"];

/** A Lucide icon's shapes as one path: `import x from "icon:x"`. */
export const icons = {
  name: "icons",
  setup(b) {
    b.onResolve({filter: /^icon:/}, ({path}) => ({path: path.slice(5), namespace: "icon"}));
    b.onLoad({filter: /.*/, namespace: "icon"}, async ({path}) => {
      const svg = await readFile(join(here, "node_modules/lucide-static/icons", `${path}.svg`), "utf8");
      return {contents: `export default ${JSON.stringify(outline(svg))}`};
    });
  },
};

function outline(svg) {
  return [...svg.matchAll(/<(path|circle|rect|line|polyline|polygon)\s([^>]*?)\/>/g)].map(([, tag, text]) => {
    const a = Object.fromEntries([...text.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, k, v]) => [k, v]));
    // A first `m` is absolute where a path stands alone; what follows it is a line from there.
    if (tag === "path") return a.d.replace(/^m\s*(-?[\d.]+)[\s,]*(-?[\d.]+)\s*(?=([-\d.]?))/, (_, x, y, more) => `M${x} ${y}${more ? "l" : ""}`);
    if (tag === "line") return `M${a.x1} ${a.y1}L${a.x2} ${a.y2}`;
    if (tag === "circle") return `M${a.cx - a.r} ${a.cy}a${a.r} ${a.r} 0 1 0 ${2 * a.r} 0a${a.r} ${a.r} 0 1 0 ${-2 * a.r} 0`;
    if (tag === "rect") {
      const [x, y, w, h, r] = [a.x ?? 0, a.y ?? 0, a.width, a.height, a.rx ?? 0].map(Number);
      return `M${x + r} ${y}h${w - 2 * r}a${r} ${r} 0 0 1 ${r} ${r}v${h - 2 * r}a${r} ${r} 0 0 1 ${-r} ${r}h${2 * r - w}a${r} ${r} 0 0 1 ${-r} ${-r}v${2 * r - h}a${r} ${r} 0 0 1 ${r} ${-r}z`;
    }
    throw new Error(`an icon has a <${tag}>, which has no path here`);
  }).join("");
}

/**
 * Style sheets as strings. `12u` is 12 px at the reader's default text size, and custom properties get the prefix
 * `avc-`; see src/css/.
 */
export const styles = {
  name: "styles",
  setup(b) {
    b.onLoad({filter: /\.css$/}, async ({path}) => {
      const source = (await readFile(path, "utf8"))
        .replace(/(?<![\w#.-])(-?\d*\.?\d+)u\b/g, "calc($1*var(--u))").replace(/--(?=[a-z])/g, "--avc-");
      const out = await build({stdin: {contents: source, loader: "css"}, minify: true, write: false, target});
      return {contents: out.outputFiles[0].text.trim(), loader: "text"};
    });
  },
};

export const options = {
  bundle: true, minify: true, write: false, target, charset: "utf8", legalComments: "none",
  jsx: "transform", jsxFactory: "h", jsxFragment: "Fragment", plugins: [icons, styles],
};

/** In the second module, what both share comes as the argument `k`, not as a copy: the names that kit.ts lists. */
const shared = {
  name: "shared",
  async setup(b) {
    const source = await readFile(join(here, "src/ui/kit.ts"), "utf8");
    const names = source.slice(source.indexOf("kit = {")).match(/\b[A-Za-z]{1,}\b(?=[,\n])/g);
    const files = [...source.matchAll(/from "\.\.?\/(?:core\/)?(\w+)"/g)].map((match) => match[1]);
    b.onResolve({filter: new RegExp(`^\\.{1,2}/((ui|core)/)?(${files.join("|")})$`)}, () => ({path: "kit", namespace: "shared"}));
    b.onLoad({filter: /.*/, namespace: "shared"}, () => ({contents: names.map((name) => `export const ${name} = k.${name};`).join("\n")}));
  },
};

const squeeze = async (text) => (await minify(text, {
  module: true, ecma: 2020, format: {ecma: 2020},
  compress: {passes: 3, unsafe: true, unsafe_arrows: true, unsafe_methods: true, unsafe_comps: true, pure_getters: true},
})).code;

const hash = (text) => createHash("sha256").update(text).digest("hex");

async function sources() {
  const files = ["package-lock.json", "build.mjs"];
  for (const folder of ["src", "locales"]) {
    for (const entry of await readdir(join(here, folder), {recursive: true, withFileTypes: true})) {
      if (entry.isFile()) files.push(join(entry.parentPath ?? entry.path, entry.name).slice(here.length + 1));
    }
  }
  const digest = createHash("sha256");
  for (const file of files.sort()) digest.update(`${file}\0${hash(await readFile(join(here, file)))}\n`);
  return digest.digest("hex");
}

/** Private members that are called nothing but `this.name` anywhere: their names may be short. */
async function ownNames() {
  let text = "";
  for (const entry of await readdir(join(here, "src"), {recursive: true, withFileTypes: true})) {
    if (/\.tsx?$/.test(entry.name)) text += await readFile(join(entry.parentPath ?? entry.path, entry.name), "utf8");
  }
  text = text.replace(/\/\*[^]*?\*\/|\/\/.*/g, "");
  const names = new Set([...text.matchAll(/private (?:readonly |async )*(\w+)/g)].map((match) => match[1]));
  const own = [...names].filter((name) =>
    !new RegExp(`(?<!this\\.|private (?:readonly |async )*)\\b${name}\\b`).test(text));
  return new RegExp(`^(${own.join("|")})$`);
}

async function outputs() {
  const out = new Map();
  const bundle = async (entry, more) =>
    (await build({...options, entryPoints: [join(here, entry)], ...more})).outputFiles[0].text;
  const files = {};
  const add = (key, name, text) => { files[key] = name; out.set(name, text); };
  const loader = await squeeze(await bundle("src/loader.ts", {format: "iife"}));
  if (loader.split("__AVCHAT_CONFIG__").length !== 2) throw new Error("the loader must name __AVCHAT_CONFIG__ once");
  add("loader", "loader.js", loader);
  const languages = async (folder) => {
    const texts = {};
    for (const name of (await readdir(join(here, folder))).filter((x) => x.endsWith(".json")).sort()) {
      texts[name.slice(0, -5)] = JSON.parse(await readFile(join(here, folder, name), "utf8"));
    }
    for (const [lang, own] of Object.entries(texts)) {
      const missing = Object.keys(texts.en).filter((key) => !(key in own));
      const unknown = Object.keys(own).filter((key) => !(key in texts.en));
      if (missing.length || unknown.length) throw new Error(`${folder}/${lang}: missing ${missing}; unknown ${unknown}`);
    }
    return texts;
  };
  const addTexts = async (kind, folder) => {
    for (const [lang, texts] of Object.entries(await languages(folder))) {
      const text = `export default ${JSON.stringify(texts)}\n`;
      add(`${kind}-${lang}`, `${kind}-${lang}.${hash(text).slice(0, 12)}.js`, text);
    }
  };
  await addTexts("locale", "locales");
  await addTexts("emoji", "locales/emoji");
  const emoji = Object.fromEntries(Object.entries(files).filter(([key]) => key.startsWith("emoji-"))
    .map(([key, name]) => [key.slice(6), `./${name}`]));
  const later = await bundle("src/more.ts", {
    format: "iife", globalName: "m", plugins: [shared, ...options.plugins], define: {EMOJI: JSON.stringify(emoji)}, external: ["./emoji-*"],
  });
  const more = await squeeze(`export default (k) => { ${later}; return m; };`);
  add("more", `more.${hash(more).slice(0, 12)}.js`, more);
  const chat = await squeeze(await bundle("src/chat.ts", {
    format: "esm", define: {MORE: JSON.stringify(`./${files.more}`)}, external: ["./more.*"], mangleProps: await ownNames(),
  }));
  add("chat", `chat.${hash(chat).slice(0, 12)}.js`, chat);
  out.set("manifest.json", `${JSON.stringify({source: await sources(), files}, null, 2)}\n`);
  return out;
}

function report(out) {
  const size = (text) => brotliCompressSync(Buffer.from(text), {params: {
    [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: Buffer.byteLength(text)}}).length;
  for (const [name, text] of out) {
    if (name.endsWith(".js")) console.log(`${name.padEnd(32)} ${String(size(text)).padStart(6)} bytes brotli`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const out = await outputs();
  if (process.argv.includes("--check")) {
    const present = new Set(await readdir(dist).catch(() => []));
    for (const [name, text] of out) {
      if (!present.delete(name) || (await readFile(join(dist, name), "utf8")) !== text) {
        console.error(`static/dist is stale: ${name}. Run: npm ci && npm run build, in static/`);
        process.exit(1);
      }
    }
    if (present.size) {
      console.error(`static/dist has files that the build does not make: ${[...present].join(", ")}`);
      process.exit(1);
    }
  } else {
    await rm(dist, {recursive: true, force: true});
    await mkdir(dist);
    for (const [name, text] of out) await writeFile(join(dist, name), text);
    report(out);
  }
}
