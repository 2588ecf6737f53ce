// Reads Sparkplug B by npm sparkplug-payload: lines of JSON {topic, payload} in, what they say out.
// With the argument `rebirth`: writes the payload of an NCMD that asks for a rebirth.
const { get } = require("sparkplug-payload");
const proto = require("sparkplug-payload/lib/sparkplugPayloadProto");
const readline = require("readline");
const sparkplug = get("spBv1.0");
const Payload = proto.org.eclipse.tahu.protobuf.Payload;

if (process.argv[2] === "rebirth") {
  const metric = { name: "Node Control/Rebirth", type: "Boolean", value: true };
  const command = { timestamp: Date.now(), metrics: [metric] };
  process.stdout.write(Buffer.from(sparkplug.encodePayload(command)).toString("base64"));
} else {
  // As a host does: a birth says the datatypes, data need not repeat them.
  const types = {};
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const { topic, payload } = JSON.parse(line);
    const raw = Payload.decode(Buffer.from(payload, "base64"));
    const isBirth = topic.includes("BIRTH");
    const typed = raw.metrics.map((metric) => Object.hasOwn(metric, "datatype"));
    raw.metrics.forEach((metric, place) => {
      if (isBirth) types[metric.alias] = metric.datatype;
      else if (!typed[place]) metric.datatype = types[metric.alias];
    });
    const read = sparkplug.decodePayload(Payload.encode(raw).finish());
    const plain = (_, value) =>
      value && typeof value.toNumber === "function" ? value.toNumber() : value;
    (read.metrics || []).forEach((metric, place) => { metric.typed = typed[place]; });
    process.stdout.write(JSON.stringify({ topic, ...read }, plain) + "\n");
  });
}
