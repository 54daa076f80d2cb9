// Takes pictures of the dev pages: node dev/shots.mjs FOLDER [name ...]
import {mkdir} from "node:fs/promises";
import {join} from "node:path";
import {chromium} from "playwright-core";
import {serve} from "./serve.mjs";

const [folder = "shots", ...only] = process.argv.slice(2);
const desk = {viewport: {width: 1440, height: 900}, locale: "en-GB"};
const hand = {viewport: {width: 390, height: 844}, deviceScaleFactor: 2, locale: "en-GB", hasTouch: true, isMobile: true};
const shots = {
  "desktop-light": [desk, "page.html"],
  "desktop-dark": [desk, "page.html?theme=dark"],
  "desktop-rtl": [desk, "page.html?lang=ar"],
  "phone-list": [hand, "page.html?phone=list"],
  "phone-chat": [hand, "page.html?phone=chat"],
  "states": [{...desk, viewport: {width: 1440, height: 2600}}, "states.html"],
  "states-dark": [{...desk, viewport: {width: 1440, height: 2600}}, "states.html?theme=dark"],
};
await mkdir(folder, {recursive: true});
const server = await serve();
const browser = await chromium.launch({executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"]});
try {
  for (const [name, [context, path]] of Object.entries(shots)) {
    if (only.length && !only.includes(name)) continue;
    const page = await browser.newPage(context);
    page.on("pageerror", (error) => console.error(name, error.stack));
    page.on("console", (line) => { if (line.type() === "error") console.error(name, line.text()); });
    await page.goto(`http://127.0.0.1:${server.address().port}/${path}`);
    await page.waitForTimeout(1_200);
    await page.screenshot({path: join(folder, `${name}.png`)});
    await page.context().close();
  }
} finally {
  await browser.close();
  server.close();
}
