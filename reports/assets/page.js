// The page's behaviour: tables that sort, controls that hide, and the gallery. Text is only ever set as text.
"use strict";

(() => {
  const walls = window.huebench.walls;
  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  function make(tag, properties = {}, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  // ---------------------------------------------------------------- tables

  function key(cell) {
    const text = cell ? cell.firstChild ? cell.innerText.trim() : "" : "";
    const number = text.match(/^[(<\s]*([-+−]?\d[\d,]*\.?\d*)/);
    return number ? Number(number[1].replaceAll(",", "").replace("−", "-")) : text;
  }

  function compare(a, b) {
    if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b);
    return typeof a === "number" ? -1 : 1; // words such as `refused` after all numbers
  }

  function sortable(table) {
    all("thead th", table).forEach((head, column) => {
      const button = make("button", { className: "sort", type: "button" });
      const tip = find(".tip", head);
      button.append(...[...head.childNodes].filter((node) => node !== tip));
      head.prepend(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        for (const body of table.tBodies) {
          const rows = [...body.rows].filter((row) => row.cells.length > 1);
          rows.sort((a, b) => {
            const [x, y] = [key(a.cells[column]), key(b.cells[column])];
            return typeof x === typeof y ? (up ? 1 : -1) * compare(x, y) : compare(x, y);
          });
          body.append(...rows);
        }
      });
    });
    all("thead th", table).forEach((head, column) => {
      if (!/\(control\)/.test(head.textContent)) return;
      head.classList.add("control");
      for (const row of all("tbody tr", table)) if (row.cells[column]) row.cells[column].classList.add("control");
    });
  }

  // An explanation stands in the window's coordinates, so that no scrolling box cuts it off.
  function explained(cell, number) {
    const tip = find(".tip", cell);
    const target = find("button", cell) ?? cell;
    tip.id = `tip-${number}`;
    target.setAttribute("aria-describedby", tip.id);
    if (target === cell) cell.tabIndex = 0;
    const place = (on) => {
      tip.classList.toggle("open", on);
      if (!on) return;
      const box = cell.getBoundingClientRect();
      tip.style.left = `${Math.max(8, Math.min(box.left, window.innerWidth - tip.offsetWidth - 8))}px`;
      const below = box.bottom + tip.offsetHeight < window.innerHeight;
      tip.style.top = `${below ? box.bottom : Math.max(8, box.top - tip.offsetHeight)}px`;
    };
    for (const [event, on] of [["mouseenter", true], ["focusin", true], ["mouseleave", false], ["focusout", false]]) {
      cell.addEventListener(event, () => place(on));
    }
    cell.addEventListener("keydown", (event) => event.key === "Escape" && place(false));
  }

  // ---------------------------------------------------------------- gallery

  const state = { wall: 0, order: [], shown: 0, hidden: new Set(), at: null };
  const STEP = 24;
  const wall = () => walls[state.wall];
  const wanted = () => wall().methods.filter((m) => !state.hidden.has(m.label) && (m.role !== "control" || controls()));
  const controls = () => find("#controls").checked;

  function source(image) {
    return `${wall().folder}/${String(image).padStart(5, "0")}.jpg`;
  }

  function tileNode(image, tile, text) {
    const picture = make("img", { src: source(image), loading: "lazy", alt: text, draggable: false });
    picture.style.setProperty("--tiles", wall().tiles);
    picture.style.setProperty("--tile", tile);
    return picture;
  }

  function tileButton(image, tile) {
    const button = make("button", { className: "tile", type: "button" }, tileNode(image, tile, caption(image, tile)));
    button.addEventListener("click", () => open(image, tile));
    return button;
  }

  function methodOf(tile) {
    return wall().methods.find((m) => tile >= m.start && tile < m.start + m.count);
  }

  function caption(image, tile) {
    const name = wall().images[image];
    if (tile === 0) return `${name}: grey`;
    if (tile === wall().tiles - 1) return `${name}: truth`;
    const method = methodOf(tile);
    return `${name}: ${method.label}, ${tile - method.start + 1} of ${method.count}`;
  }

  function group(image, title, tiles) {
    const row = make("div", { className: "tiles" }, ...tiles.map((tile) => tileButton(image, tile)));
    return make("div", { className: "group-of" }, make("p", { textContent: title }), row);
  }

  function strip(image) {
    const value = sortValue(image);
    const note = state.by === "none" || value === null ? "" : `${state.title}: ${show(value)}`;
    const head = make("h4", {}, wall().images[image], make("span", { textContent: note }));
    const groups = wanted().map((m) => group(image, title(m), [...Array(m.count).keys()].map((i) => m.start + i)));
    const row = make("div", { className: "strip" }, group(image, "grey", [0]), ...groups, group(image, "truth", [wall().tiles - 1]));
    return make("article", {}, head, row);
  }

  function title(method) {
    const role = method.role === "colourizer" ? "" : ` (${method.role})`;
    return `${method.label}${role}${method.count < method.of ? `, ${method.count} of ${method.of} shown` : ""}`;
  }

  const show = (value) => (value === null || value === undefined ? "–" : String(value));

  function more() {
    const until = Math.min(state.shown + STEP, state.order.length);
    find("#strips").append(...state.order.slice(state.shown, until).map(strip));
    state.shown = until;
    find("#more").hidden = until >= state.order.length;
  }

  // ---------------------------------------------------------------- order

  function measure() {
    return /^\d+$/.test(state.by) ? wall().measures[Number(state.by)] : null;
  }

  function sortValue(image) {
    if (state.by === "disagreement") return wall().disagreement[image];
    const chosen = measure();
    if (!chosen) return null;
    const labels = state.of === "" ? wanted().map((m) => m.label) : [state.of];
    const values = labels.map((label) => chosen.values[label]?.[image]).filter((v) => v !== null && v !== undefined);
    return values.length ? Number((values.reduce((a, b) => a + b, 0) / values.length).toPrecision(4)) : null;
  }

  function arrange() {
    state.by = find("#sort").value;
    state.of = find("#of").value;
    state.title = find("#sort").selectedOptions[0]?.textContent ?? "";
    find("#of").disabled = measure() === null;
    const words = find("#find").value.toLowerCase();
    const images = wall().images.map((_, i) => i).filter((i) => wall().images[i].toLowerCase().includes(words));
    if (state.by !== "none") {
      const large = state.by === "disagreement" || measure()?.direction === "up"; // the best, or the most disputed, first
      const sign = (large ? -1 : 1) * (find("#reverse").checked ? -1 : 1);
      const value = new Map(images.map((i) => [i, sortValue(i)]));
      images.sort((a, b) => {
        const [x, y] = [value.get(a), value.get(b)];
        return x === null || y === null ? (x === null) - (y === null) : sign * (x - y);
      });
    } else if (find("#reverse").checked) images.reverse();
    state.order = images;
    state.shown = 0;
    find("#strips").replaceChildren();
    find("#count").textContent = `${images.length.toLocaleString("en")} of ${wall().images.length.toLocaleString("en")} photographs`;
    more();
    extremes();
  }

  function extremes() {
    const box = find("#extremes-list");
    box.replaceChildren();
    if (!find("#extremes").open) return;
    const chosen = measure() ?? wall().measures[0];
    if (!chosen) return;
    find("#extremes-of").textContent = `By ${chosen.title}: the first colourization that is presented, beside the truth; five photographs each, of those found.`;
    const direction = chosen.direction === "up" ? -1 : 1;
    const names = ["up", "down"].includes(chosen.direction) ? ["best", "worst"] : ["lowest", "highest"];
    for (const method of wanted()) {
      const column = chosen.values[method.label];
      if (!column) continue;
      const known = state.order.map((i) => [column[i], i]).filter(([v]) => v !== null).sort((a, b) => direction * (a[0] - b[0]));
      const parts = [[names[0], known.slice(0, 5)], [names[1], known.slice(-5).reverse()]];
      box.append(make("h4", { textContent: method.label }), ...parts.map(([name, some]) => {
        const pairs = some.map(([value, image]) => {
          const both = [method.start, wall().tiles - 1].map((tile) => tileButton(image, tile));
          const row = make("div", { className: "pair" }, ...both);
          return make("div", { className: "extreme", title: wall().images[image] }, row, show(value));
        });
        const row = make("div", { className: "tiles" }, ...pairs);
        return make("div", { className: "group-of best-of" }, make("p", { textContent: name }), row);
      }));
    }
  }

  function options(node, pairs) {
    node.replaceChildren(...pairs.map(([value, text]) => make("option", { value, textContent: text })));
  }

  function hang() {
    state.wall = Number(find("#wall").value);
    state.hidden = new Set(wall().methods.filter((m) => m.role === "codec").map((m) => m.label));
    document.documentElement.style.setProperty("--shown", wall().side);
    options(find("#sort"), [["none", "random order, as drawn"], ["disagreement", "disagreement between methods"],
      ...wall().measures.map((m, i) => [String(i), m.title])]);
    options(find("#of"), [["", "mean of the shown methods"], ...wall().methods.map((m) => [m.label, m.label])]);
    find("#methods").replaceChildren(make("legend", { textContent: "Methods" }), ...wall().methods.map((method) => {
      const box = make("input", { type: "checkbox", checked: !state.hidden.has(method.label), value: method.label });
      box.addEventListener("change", () => {
        state.hidden[box.checked ? "delete" : "add"](method.label);
        arrange();
      });
      const label = make("label", { className: method.role }, box, method.label);
      return label;
    }));
    arrange();
  }

  // ---------------------------------------------------------------- one picture, large

  function open(image, tile) {
    state.at = { image, tile };
    draw(tile);
    scores(image);
    if (!find("#large").open) find("#large").showModal();
  }

  function draw(tile) {
    const { image } = state.at;
    find("#picture").replaceChildren(tileNode(image, tile, caption(image, tile)));
    find("#caption").textContent = caption(image, tile);
  }

  function scores(image) {
    const methods = wanted();
    const head = make("tr", {}, make("th", { textContent: "score" }), ...methods.map((m) => make("th", { textContent: m.label })));
    const rows = wall().measures.map((m) => make("tr", {}, make("th", { textContent: m.title, title: m.summary }),
      ...methods.map((method) => make("td", { className: "number", textContent: show(m.values[method.label]?.[image]) }))));
    find("#scores").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
  }

  const flip = (on) => state.at && draw(on ? wall().tiles - 1 : state.at.tile);

  function visible() {
    return [0, ...wanted().flatMap((m) => [...Array(m.count).keys()].map((i) => m.start + i)), wall().tiles - 1];
  }

  function step(across, down) {
    const tiles = visible();
    const place = Math.max(0, tiles.indexOf(state.at.tile));
    const tile = tiles[(place + across + tiles.length) % tiles.length];
    const row = state.order.indexOf(state.at.image);
    const image = state.order[Math.min(Math.max(row + down, 0), state.order.length - 1)] ?? state.at.image;
    open(image, tile);
  }

  function keys(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (moves[event.key]) {
      event.preventDefault();
      step(...moves[event.key]);
    } else if (event.key === "t" || (event.key === " " && (event.target.tagName !== "BUTTON" || event.target.id === "flip"))) {
      event.preventDefault();
      flip(event.type === "keydown");
    }
  }

  function gallery() {
    options(find("#wall"), walls.map((w, i) => [String(i), w.dataset]));
    find("#wall").addEventListener("change", hang);
    for (const id of ["#sort", "#of", "#reverse"]) find(id).addEventListener("change", arrange);
    find("#find").addEventListener("input", arrange);
    find("#more").addEventListener("click", more);
    find("#extremes").addEventListener("toggle", extremes);
    find("#tools").addEventListener("submit", (event) => event.preventDefault());
    const dialog = find("#large");
    dialog.addEventListener("keydown", keys);
    dialog.addEventListener("keyup", (event) => (event.key === " " || event.key === "t") && keys(event));
    dialog.addEventListener("close", () => (state.at = null));
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    for (const target of [find("#picture"), find("#flip")]) {
      target.addEventListener("pointerdown", () => flip(true));
      for (const end of ["pointerup", "pointerleave", "pointercancel"]) target.addEventListener(end, () => flip(false));
    }
    find("#before").addEventListener("click", () => step(-1, 0));
    find("#after").addEventListener("click", () => step(1, 0));
    find("#close").addEventListener("click", () => dialog.close());
    new IntersectionObserver((seen) => seen[0].isIntersecting && state.shown < state.order.length && more(), { rootMargin: "600px" })
      .observe(find("#more"));
    hang();
  }

  all("main table").forEach((table) => table.id !== "scores" && sortable(table));
  all("th:has(> .tip), td:has(> .tip)").forEach(explained);
  find("#controls").addEventListener("change", () => {
    document.body.classList.toggle("no-controls", !controls());
    if (walls.length) arrange();
  });
  if (walls.length) gallery();
})();
