// What the dashboard adds where scripts run: copying, a menu that closes by itself, a site's state as it changes.

const said = document.getElementById("said");

function select(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

async function copy(text, element) {
  // The clipboard is only there on https and localhost.
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  select(element);
  if (!document.execCommand("copy")) throw new Error("refused");
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  const word = button.querySelector("[data-word]");
  let timer;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await copy(source.textContent, source);
    } catch {
      select(source);
      said.textContent = `${button.dataset.what} is selected. Copy it with your keyboard.`;
      return;
    }
    button.classList.add("done-copying");
    if (word) word.textContent = "Copied";
    said.textContent = `${button.dataset.what} is copied.`;
    clearTimeout(timer);
    timer = setTimeout(() => {
      button.classList.remove("done-copying");
      if (word) word.textContent = "Copy";
      said.textContent = "";
    }, 2000);
  });
}

const switcher = document.querySelector(".switcher");

function turnAway({ type, target }) {
  // A pointer's focus comes before its click: closing then would move what is about to be clicked.
  if (!switcher.contains(target) && (type === "click" || target.matches(":focus-visible"))) switcher.open = false;
}

if (switcher) {
  document.addEventListener("click", turnAway);
  document.addEventListener("focusin", turnAway);
  switcher.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !switcher.open) return;
    event.preventDefault();
    switcher.open = false;
    switcher.querySelector("summary").focus();
  });
}

const head = document.querySelector("[data-state]");

async function look() {
  if (document.hidden) return;
  const answer = await fetch(head.dataset.state, { redirect: "error" });
  if (!answer.ok) return;
  const pieces = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const piece of pieces.querySelectorAll("[data-piece]")) {
    const place = document.querySelector(`[data-into="${piece.dataset.piece}"]`);
    if (place && place.textContent !== piece.textContent) place.replaceChildren(...piece.childNodes);
  }
}

if (head) {
  setInterval(() => look().catch(() => {}), 3000);
  document.addEventListener("visibilitychange", () => look().catch(() => {}));
}
