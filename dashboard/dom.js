// The page is built once; afterwards only texts and attributes that changed are written.

export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// Keeps one child of `parent` for each item, in the items' order: `make(item)` builds it, `update(node, item)` fills it.
export function keep(parent, items, key, make, update) {
  const old = parent.kept ?? new Map();
  parent.kept = new Map();
  let place = parent.firstElementChild;
  for (const item of items) {
    const id = key(item);
    const node = old.get(id) ?? make(item);
    old.delete(id);
    parent.kept.set(id, node);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
    update(node, item);
  }
  for (const node of old.values()) node.remove();
}

// A table of named columns: {title, text(row), number?, health?(row): with a dot, tone?(row): in that colour, field?: of which the text is
// made; the cell keeps its value, fill?(cell, row): instead of a text}.
export function table(columns, label, className) {
  const body = h('tbody');
  const head = h('tr', {}, ...columns.map((c) => h('th', {scope: 'col', class: c.number ? 'num' : undefined}, c.title)));
  const node = h('div', {class: 'scroll'}, h('table', {'aria-label': label, class: className}, h('thead', {}, head), body));
  const make = () => h('tr', {}, ...columns.map((c) => {
    const cell = h('td', {class: c.number ? 'num' : undefined, 'data-field': c.field});
    if (c.health) cell.append(h('span', {class: 'dot'}));
    if (!c.fill) cell.append(document.createTextNode(''));
    return cell;
  }));
  const update = (row, item) => columns.forEach((column, i) => {
    const cell = row.children[i];
    if (column.fill) return column.fill(cell, item);
    const text = column.text(item);
    if (cell.lastChild.data !== text) cell.lastChild.data = text;
    if (item[column.field] !== undefined) setAttribute(cell, 'data-value', item[column.field]);
    const health = column.health ?? column.tone;
    if (health) setAttribute(cell, 'data-health', health(item));
  });
  return {
    node,
    show(rows, key) {
      keep(body, rows, key, (row) => {
        const made = make(row);
        made.dataset.key = key(row);
        return made;
      }, update);
    },
  };
}

export const card = (title, ...children) => h('div', {class: 'card'}, h('h2', {}, title), ...children);
