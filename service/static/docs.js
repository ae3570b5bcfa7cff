// A small reader of this service's own /openapi.json, so that the reference needs nothing from another host.

const at = (id) => document.getElementById(id);

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

function link(id, ...children) {
  const anchor = make("a", "", ...children);
  anchor.href = `#${id}`;
  return anchor;
}

// Text with its words in backticks as code.
const told = (text) => text.split(/`+/).map((part, i) => (i % 2 ? make("code", "", part) : part));

const nameOf = (reference) => reference.split("/").pop();

function typeOf(schema) {
  if (!schema) return ["any"];
  if (schema.$ref) return [link(nameOf(schema.$ref), nameOf(schema.$ref))];
  if (schema.anyOf) return schema.anyOf.flatMap((option, i) => (i ? [" or ", ...typeOf(option)] : typeOf(option)));
  if (schema.enum) return [schema.enum.map((value) => JSON.stringify(value)).join(", ")];
  if (schema.type === "array") return ["list of ", ...typeOf(schema.items)];
  if (schema.type === "object" && schema.additionalProperties) return ["object of ", ...typeOf(schema.additionalProperties)];
  return [schema.format ? `${schema.type} (${schema.format})` : schema.type ?? "any"];
}

function limitsOf(schema, required) {
  const said = [required ? "required" : schema.default == null ? "optional" : `default ${JSON.stringify(schema.default)}`];
  for (const { minimum, maximum, maxItems } of [schema, ...(schema.anyOf ?? [])]) {
    if (minimum !== undefined) said.push(`at least ${minimum.toLocaleString("en")}`);
    if (maximum !== undefined) said.push(`at most ${maximum.toLocaleString("en")}`);
    if (maxItems !== undefined) said.push(`at most ${maxItems.toLocaleString("en")} of them`);
  }
  return said.join(", ");
}

function field(name, schema, required, description = schema.description) {
  const value = [...typeOf(schema), make("small", "", limitsOf(schema, required))];
  if (description) value.push(make("p", "", ...told(description)));
  return [name, value];
}

function rows(pairs) {
  return make("table", "", ...pairs.map(([name, value]) => {
    const head = make("th", "", make("code", "", name));
    head.scope = "row";
    return make("tr", "", head, make("td", "", ...value));
  }));
}

function drawOperation(path, method, operation) {
  const card = make("section", "card", make("h3", "", make("span", "method", method.toUpperCase()), make("code", "", path)), make("p", "", operation.summary ?? ""));
  card.id = operation.operationId;
  const sent = Object.values(operation.requestBody?.content ?? {})[0];
  if (operation.parameters) card.append(make("h4", "", "Parameters"), rows(operation.parameters.map((p) => field(p.name, p.schema, p.required, p.description))));
  if (sent) card.append(make("h4", "", "Body"), make("div", "", ...typeOf(sent.schema)), make("pre", "", JSON.stringify(sent.example, null, 2)));
  const answers = Object.entries(operation.responses).sort().map(([status, response]) => {
    const schema = Object.values(response.content ?? {})[0]?.schema;
    return [status, schema ? [...told(response.description), ": ", ...typeOf(schema)] : told(response.description)];
  });
  card.append(make("h4", "", "Answers"), rows(answers));
  return card;
}

function drawType(name, schema) {
  const card = make("section", "card", make("h3", "", make("code", "", name)));
  card.id = name;
  if (schema.description) card.append(...schema.description.split("\n\n").map((text) => make("p", "", ...told(text))));
  const fields = Object.entries(schema.properties ?? {}).map(([key, value]) => field(key, value, schema.required?.includes(key)));
  card.append(make("h4", "", "Fields"), rows(fields));
  return card;
}

function drawContents(title, sections) {
  const items = sections.map((section) => make("li", "", link(section.id, ...section.querySelector("h3").cloneNode(true).childNodes)));
  const list = make("ul", "", ...items);
  list.ariaLabel = title;
  return list;
}

const response = await fetch("openapi.json").catch(() => null);
if (response?.ok) {
  const api = await response.json();
  at("about").textContent = `${api.info.summary} Errors are problem documents (RFC 9457). The full OpenAPI document is at openapi.json.`;
  const operations = Object.entries(api.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => drawOperation(path, method, operation)));
  const types = Object.entries(api.components.schemas).sort().map(([name, schema]) => drawType(name, schema));
  at("operations").append(...operations);
  at("types").append(...types);
  at("contents").append(drawContents("Operations", operations), drawContents("Types", types));
  // What the address names was not there when the browser looked for it.
  at(location.hash.slice(1))?.scrollIntoView();
} else {
  at("about").textContent = "The description of the API could not be loaded.";
}
