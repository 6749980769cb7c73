// A request as a program: what to paste into a terminal, a Python file, a JavaScript file. Each needs nothing
// installed but its language. A key is never written down: it is read from DRAGOMAN_KEY.

export const SNIPPETS = [
  { id: "curl", label: "curl", write: curl },
  { id: "python", label: "Python", write: python },
  { id: "javascript", label: "JavaScript", write: javascript },
];

/** @param {{url: string, body: object, headers: object, keyed: boolean, streamed: boolean,
 *   compact: boolean}} asked compact: the body on one line */
export function curl({ url, body, headers, keyed, streamed, compact }) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  return [
    `curl${streamed ? " -N" : ""} ${quoted(url)}`,
    ...(keyed ? ['  -H "authorization: Bearer $DRAGOMAN_KEY"'] : []),
    ...Object.entries(headers).map(([name, value]) => `  -H ${quoted(`${name}: ${value}`)}`),
    `  -d ${quoted(JSON.stringify(body, null, compact ? 0 : 2))}`,
  ].join(" \\\n");
}

function python({ url, body, headers, keyed }) {
  const lines = Object.entries(headers).map(([name, value]) => `        ${literal(name)}: ${literal(value)},`);
  if (keyed) lines.unshift('        "authorization": f"Bearer {os.environ[\'DRAGOMAN_KEY\']}",');
  return `import json
${keyed ? "import os\n" : ""}import urllib.request

request = urllib.request.Request(
    ${literal(url)},
    data=json.dumps(${literal(body, 1)}).encode(),
    headers={
${lines.join("\n")}
    },
)
with urllib.request.urlopen(request) as answer:
    for line in answer:
        print(line.decode(), end="")
`;
}

function javascript({ url, body, headers, keyed }) {
  const lines = Object.entries(headers).map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)},`);
  if (keyed) lines.unshift('    authorization: `Bearer ${process.env.DRAGOMAN_KEY}`,');
  return `const answer = await fetch(${JSON.stringify(url)}, {
  method: "POST",
  headers: {
${lines.join("\n")}
  },
  body: JSON.stringify(${JSON.stringify(body, null, 2).replaceAll("\n", "\n  ")}),
});
const decoder = new TextDecoder();
for await (const piece of answer.body) {
  process.stdout.write(decoder.decode(piece, { stream: true }));
}
`;
}

/** Return a JSON value as Python writes it, indented by `depth` steps. */
function literal(value, depth = 0) {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = "    ".repeat(depth + 1);
  const items = Array.isArray(value)
    ? value.map((one) => `${inner}${literal(one, depth + 1)},`)
    : Object.entries(value).map(([name, one]) => `${inner}${JSON.stringify(name)}: ${literal(one, depth + 1)},`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return items.length ? `${open}\n${items.join("\n")}\n${"    ".repeat(depth)}${close}` : open + close;
}
