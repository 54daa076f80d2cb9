// Serves the pages of dev/ with the widget built from its sources: node dev/serve.mjs [port]
import {dirname, join} from "node:path";
import {createServer} from "node:http";
import {readFile} from "node:fs/promises";
import {fileURLToPath} from "node:url";
import {build} from "esbuild";
import {options} from "../build.mjs";

const here = dirname(fileURLToPath(import.meta.url));

export async function serve(port = 0) {
  const made = new Map();
  for (const name of ["page", "states"]) {
    const out = await build({...options, minify: false, entryPoints: [join(here, `${name}.ts`)], format: "esm"}).catch(() => null);
    if (out) made.set(`/${name}.js`, ["text/javascript", out.outputFiles[0].text]);
    made.set(`/${name}.html`, ["text/html", await readFile(join(here, `${name}.html`)).catch(() => "")]);
  }
  const server = createServer((request, response) => {
    const found = made.get(new URL(request.url, "http://localhost").pathname);
    response.writeHead(found ? 200 : 404, {"Content-Type": `${found?.[0] ?? "text/plain"}; charset=utf-8`}).end(found?.[1]);
  });
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  return server;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await serve(Number(process.argv[2] ?? 8099));
  console.log(`http://127.0.0.1:${server.address().port}/page.html, /states.html`);
}
