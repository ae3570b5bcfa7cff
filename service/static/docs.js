// A small reader of this service's own /openapi.json, so that the reference needs nothing from another host.

const at = (id) => document.getElementById(id);

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

const nameOf = (reference) => reference.split("/").pop();

function typeOf(schema) {
  if (!schema) return ["any"];
  if (schema.$ref) {
    const link = make("a", "", nameOf(schema.$ref));
    link.href = `#${nameOf(schema.$ref)}`;
    return [link];
  }
  if (schema.anyOf) return schema.anyOf.flatMap((option, i) => (i ? [" or ", ...typeOf(option)] : typeOf(option)));
  if (schema.enum) return [schema.enum.map((value) => JSON.stringify(value)).join(", ")];
  if (schema.type === "array") return ["list of ", ...typeOf(schema.items)];
  if (schema.type === "object" && schema.additionalProperties) return ["object of ", ...typeOf(schema.additionalProperties)];
  return [schema.format ? `${schema.type} (${schema.format})` : schema.type ?? "any"];
}

function rows(pairs) {
  return make("table", "", ...pairs.map(([name, value]) => make("tr", "", make("td", "", make("code", "", name)), make("td", "", ...value))));
}

function drawOperation(path, method, operation) {
  const card = make("section", "card", make("h3", "", make("span", "method", method.toUpperCase()), make("code", "", path)), make("p", "", operation.summary ?? ""));
  const sent = Object.values(operation.requestBody?.content ?? {})[0];
  if (operation.parameters) card.append(make("h4", "", "Parameters"), rows(operation.parameters.map((p) => [p.name, typeOf(p.schema)])));
  if (sent) card.append(make("h4", "", "Body"), make("div", "", ...typeOf(sent.schema)), make("pre", "", JSON.stringify(sent.example, null, 2)));
  const answers = Object.entries(operation.responses).map(([status, response]) => {
    const schema = Object.values(response.content ?? {})[0]?.schema;
    return [status, schema ? [response.description, ": ", ...typeOf(schema)] : [response.description]];
  });
  card.append(make("h4", "", "Answers"), rows(answers));
  return card;
}

function drawType(name, schema) {
  const card = make("section", "card", make("h3", "", make("code", "", name)));
  card.id = name;
  if (schema.description) card.append(make("p", "", schema.description.replaceAll("``", "")));
  card.append(make("h4", "", "Fields"), rows(Object.entries(schema.properties ?? {}).map(([field, value]) => [field, typeOf(value)])));
  return card;
}

const response = await fetch("openapi.json").catch(() => null);
if (response?.ok) {
  const api = await response.json();
  at("about").textContent = `${api.info.summary} Errors are problem documents (RFC 9457). The full OpenAPI document is at openapi.json.`;
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) at("operations").append(drawOperation(path, method, operation));
  }
  for (const [name, schema] of Object.entries(api.components.schemas).sort()) at("types").append(drawType(name, schema));
} else {
  at("about").textContent = "The description of the API could not be loaded.";
}
