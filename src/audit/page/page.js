
"use strict";
(() => {
  const controls = document.getElementById("controls");
  const find = document.getElementById("find");
  const rebuilder = document.getElementById("rebuilder");
  const states = [...controls.querySelectorAll("[name=state]")];
  const body = document.querySelector("#packages tbody");
  const heads = [...document.querySelectorAll("#packages [data-key]")];
  const order = ["conflict", "unknown", "debt", "excepted", "confirmed"];

  const rows = [...body.rows].map((row, place) => {
    const [state, name, version, architecture] = [...row.cells].map((cell) => cell.textContent);
    return {
      row, place, state: row.className, package: name, version, architecture,
      text: [name, version, architecture, row.dataset.find].join(" ").toLowerCase(),
      by: row.dataset.by, alarm: "alarm" in row.dataset,
    };
  });

  const show = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const allowed = new Set(states.filter((it) => it.checked).map((it) => it.value));
    const [sign, name] = [rebuilder.value.slice(0, 1), ` ${rebuilder.value.slice(1)} `];
    let shown = 0;
    for (const it of rows) {
      const fits = allowed.has(it.state) &&
        words.every((word) => it.text.includes(word)) &&
        (sign === "" || (sign === "!" ? it.alarm : it.by.includes(name) === (sign === "+")));
      it.row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    document.getElementById("shown").textContent = `${shown} of ${rows.length} shown`;
    document.getElementById("none").hidden = shown > 0;
  };

  const compare = (key) => {
    if (key === "state") {
      return (a, b) => order.indexOf(a.state) - order.indexOf(b.state);
    }
    const collator = new Intl.Collator("en", { numeric: true });
    return (a, b) => collator.compare(a[key], b[key]);
  };

  const sort = (head) => {
    const descending = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((it) => it.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const by = compare(head.dataset.key);
    rows.sort((a, b) => (descending ? -by(a, b) : by(a, b)) || a.place - b.place);
    body.append(...rows.map((it) => it.row));
  };

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(head));
    head.replaceChildren(button);
  }
  heads[0].setAttribute("aria-sort", "ascending");
  controls.addEventListener("input", show);
  controls.addEventListener("change", show);
  controls.addEventListener("submit", (event) => event.preventDefault());
  // The fields have their first values only after this event.
  controls.addEventListener("reset", () => setTimeout(show));
  controls.hidden = false;
  show();
})();
